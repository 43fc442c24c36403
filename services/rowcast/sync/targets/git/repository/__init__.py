"""The local mirror of a repository, worked by git processes: logins, signatures, pushes."""
