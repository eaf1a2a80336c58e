-- When each module is scanned under a profile, by the module's name, in seconds:
-- {"inventory": {"interval": 28800, "delay": 600, "randomize": 3600}}. A module
-- that is missing has the default, 4 hours; so far only inventory had an interval.

-- +goose Up
ALTER TABLE profiles ADD COLUMN schedules JSONB NOT NULL DEFAULT '{}';
UPDATE profiles SET schedules = jsonb_build_object('inventory', jsonb_build_object('interval', inventory_interval)) WHERE inventory_interval <> 14400;
ALTER TABLE profiles DROP COLUMN inventory_interval;
