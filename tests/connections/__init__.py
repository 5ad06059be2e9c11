"""The contract that every provider keeps (contract.py), and what each promises besides."""
