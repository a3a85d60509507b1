"""A .sql file as PostgreSQL reads it, beside what aiosql makes of it, and what is wrong there."""
