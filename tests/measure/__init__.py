"""Measurements that documents quote; each is a command that prints its figures."""
