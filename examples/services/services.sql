-- The services of a company, one row each.
CREATE TABLE services (
    name text PRIMARY KEY CHECK (name ~ '^[a-z]([-a-z0-9]{0,40}[a-z0-9])?$'),
    repository text NOT NULL,
    path text NOT NULL DEFAULT 'deploy',
    revision text NOT NULL DEFAULT 'main',
    replicas integer,
    auto_sync boolean NOT NULL DEFAULT true
);

INSERT INTO services VALUES
    ('shop', 'https://git.example.com/shop.git', 'deploy', 'v1.4.0', 3, true),
    ('blog', 'https://git.example.com/blog.git', 'kustomize/base', 'main', NULL, false);
