-- Notices are delivered: by mail, and by a webhook, with a state of each.

-- +goose Up
-- key is the same in every copy of a notice that its readers get, and of no other one
-- anywhere. deliveries is empty before the first attempt; state and next_attempt sum
-- it up. Where nothing is to be tried any more, next_attempt is empty.
ALTER TABLE notices ADD COLUMN key TEXT NOT NULL DEFAULT '';
UPDATE notices SET key = 'msg_' || replace(gen_random_uuid()::text, '-', '');
ALTER TABLE notices ADD COLUMN state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'failed'));
ALTER TABLE notices ADD COLUMN deliveries TEXT NOT NULL DEFAULT '[]';
ALTER TABLE notices DROP COLUMN attempts;
ALTER TABLE notices DROP COLUMN failure;
CREATE INDEX notices_happened ON notices (happened);

-- How the channels are reached. Passwords, secrets and URLs are sealed, in secrets.
CREATE TABLE notice_settings (
    channel TEXT NOT NULL PRIMARY KEY CHECK (channel IN ('mail', 'webhook')),
    data    TEXT NOT NULL
);
