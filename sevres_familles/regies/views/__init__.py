"""Pages of the régies area that families read: what is due, their accounts, their invoices."""
