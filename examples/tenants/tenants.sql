-- A table that knows nothing of Rowcast.
CREATE TABLE tenants (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slug text NOT NULL UNIQUE CHECK (slug ~ '^[a-z]([-a-z0-9]{0,40}[a-z0-9])?$'),
    plan text NOT NULL DEFAULT 'free' CHECK (plan IN ('free', 'gold')),
    cpu integer NOT NULL DEFAULT 2 CHECK (cpu > 0),
    memory_gib integer NOT NULL DEFAULT 4 CHECK (memory_gib > 0),
    owner_group text,
    settings jsonb NOT NULL DEFAULT '{}',
    active boolean NOT NULL DEFAULT true,
    billing_token text
);

CREATE TABLE tenant_hosts (
    host text PRIMARY KEY,
    tenant bigint NOT NULL REFERENCES tenants ON DELETE CASCADE
);

INSERT INTO tenants (slug, plan, cpu, memory_gib, owner_group, settings, billing_token) VALUES
    ('acme', 'gold', 8, 32, 'acme-admins', '{"theme": "dark", "beta": true}', 'secret'),
    ('tiny', 'free', 1, 2, NULL, '{}', NULL);
INSERT INTO tenant_hosts VALUES ('www.acme.example', 1), ('shop.acme.example', 1);
