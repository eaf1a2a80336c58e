-- +goose Up
ALTER TABLE tags ADD COLUMN parent_id BIGINT REFERENCES tags (id);
ALTER TABLE tags ADD COLUMN modified BIGINT;
ALTER TABLE tags ADD COLUMN color TEXT NOT NULL DEFAULT '';
ALTER TABLE tags ADD COLUMN rule_type TEXT NOT NULL DEFAULT 'STATIC';
ALTER TABLE tags ADD COLUMN rule_text TEXT NOT NULL DEFAULT '';
ALTER TABLE tags ADD COLUMN criticality BIGINT NOT NULL DEFAULT 0 CHECK (criticality BETWEEN 0 AND 5); -- 0 for none
ALTER TABLE tags ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE tags ADD COLUMN provider TEXT NOT NULL DEFAULT '';
-- The rule has been evaluated for the hosts up to this id; NULL for all of them.
ALTER TABLE tags ADD COLUMN evaluated_to BIGINT;

CREATE UNIQUE INDEX tags_place ON tags (coalesce(parent_id, 0), name);
CREATE INDEX tags_parent ON tags (parent_id);
CREATE INDEX tags_rules ON tags (rule_type) WHERE rule_type <> 'STATIC';
CREATE INDEX tags_evaluated_to ON tags (evaluated_to) WHERE evaluated_to IS NOT NULL;
