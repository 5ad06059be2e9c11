"""Accounts, members and roles, sign-in, invitations, the audit log."""
