"""Pages of identity: Connexion and its end, passwords, forgotten identifiers, the family's e-mail address."""
