"""The statements that one with @optional and @order_by stands for, written down for review."""
