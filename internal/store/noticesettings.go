package store

import (
	"context"
	"database/sql"
	"fmt"

	"vedette.dev/vedette/internal/automation/notice"
	"vedette.dev/vedette/internal/automation/signature"
	"vedette.dev/vedette/internal/hidden"
)

// What of the settings of notices is sealed. They have no rows with ids of their own.
const (
	noticeSecrets       = "notice_settings"
	noticeSecretsID     = 1
	sealedMailPassword  = "mail.password"
	sealedWebhookURL    = "webhook.url"
	sealedWebhookSecret = "webhook.secret"
)

// mailRow and webhookRow are what is stored in clear.
type (
	mailRow struct {
		Host     string          `json:"host"`
		Port     int             `json:"port"`
		Security notice.Security `json:"security"`
		Auth     notice.Auth     `json:"auth"`
		Username string          `json:"username"`
		FromName string          `json:"fromName"`
		From     string          `json:"from"`
		CA       string          `json:"ca"`
		Domains  []string        `json:"playbookDomains,omitempty"`
	}
	webhookRow struct {
		CA string `json:"ca"`
	}
)

// NoticeSettings reads the settings; see notice.SettingsReader.
func (s *Store) NoticeSettings(ctx context.Context) (notice.Settings, error) {
	var found notice.Settings
	err := s.view(ctx, func(tx *Tx) (err error) {
		found, err = tx.noticeSettings(ctx)
		return err
	})
	if err != nil {
		return notice.Settings{}, fmt.Errorf("read settings of notices: %w", err)
	}
	return found, nil
}

func (t *Tx) noticeSettings(ctx context.Context) (notice.Settings, error) {
	rows := map[notice.Channel][]byte{}
	err := t.each(ctx, "SELECT channel, data FROM notice_settings", nil, func(r *sql.Rows) error {
		var channel notice.Channel
		var data []byte
		err := r.Scan(&channel, &data)
		rows[channel] = data
		return err
	})
	if err != nil || len(rows) == 0 {
		return notice.Settings{}, err
	}
	secrets, err := t.unseal(ctx, noticeSecrets, noticeSecretsID)
	if err != nil {
		return notice.Settings{}, err
	}
	var found notice.Settings
	if data, set := rows[notice.ByMail]; set {
		var row mailRow
		if err := decode(data, &row); err != nil {
			return notice.Settings{}, err
		}
		found.Mail = &notice.MailSettings{
			Host: row.Host, Port: row.Port, Security: row.Security, Auth: row.Auth, Username: row.Username, Password: hidden.New(secrets[sealedMailPassword]),
			From: notice.Address{Name: row.FromName, Mailbox: row.From}, CA: row.CA, PlaybookDomains: row.Domains,
		}
	}
	if data, set := rows[notice.ByWebhook]; set {
		var row webhookRow
		if err := decode(data, &row); err != nil {
			return notice.Settings{}, err
		}
		secret, err := signature.ParseSecret(secrets[sealedWebhookSecret])
		if err != nil {
			return notice.Settings{}, err
		}
		found.Webhook = &notice.WebhookSettings{Target: notice.Target{URL: secrets[sealedWebhookURL], CA: row.CA}, Secret: secret}
	}
	return found, nil
}

// UpdateNoticeSettings changes the settings; see notice.Storage.
func (s *Store) UpdateNoticeSettings(ctx context.Context, change func(*notice.Settings) error) (notice.Settings, error) {
	var changed notice.Settings
	err := s.InTx(ctx, func(tx *Tx) error {
		if _, err := tx.lockSubscription(ctx); err != nil { // so that changes come one after the other
			return err
		}
		var err error
		if changed, err = tx.noticeSettings(ctx); err != nil {
			return err
		}
		if err := change(&changed); err != nil {
			return err
		}
		return tx.writeNoticeSettings(ctx, changed)
	})
	if err != nil {
		return notice.Settings{}, fmt.Errorf("change settings of notices: %w", err)
	}
	return changed, nil
}

func (t *Tx) writeNoticeSettings(ctx context.Context, s notice.Settings) error {
	if _, err := t.Exec(ctx, "DELETE FROM notice_settings"); err != nil {
		return err
	}
	if err := t.forget(ctx, noticeSecrets, []int64{noticeSecretsID}); err != nil {
		return err
	}
	secrets := map[string]string{}
	if m := s.Mail; m != nil {
		row := mailRow{m.Host, m.Port, m.Security, m.Auth, m.Username, m.From.Name, m.From.Mailbox, m.CA, m.PlaybookDomains}
		if err := t.writeNoticeChannel(ctx, notice.ByMail, row); err != nil {
			return err
		}
		if !m.Password.IsEmpty() {
			secrets[sealedMailPassword] = m.Password.Reveal()
		}
	}
	if w := s.Webhook; w != nil {
		if err := t.writeNoticeChannel(ctx, notice.ByWebhook, webhookRow{w.CA}); err != nil {
			return err
		}
		secrets[sealedWebhookURL], secrets[sealedWebhookSecret] = w.URL, w.Secret.Reveal()
	}
	if len(secrets) == 0 {
		return nil
	}
	return t.seal(ctx, noticeSecrets, noticeSecretsID, secrets)
}

func (t *Tx) writeNoticeChannel(ctx context.Context, channel notice.Channel, row any) error {
	data, err := encode(row)
	if err != nil {
		return err
	}
	_, err = t.Exec(ctx, "INSERT INTO notice_settings (channel, data) VALUES (?, ?)", string(channel), data)
	return err
}

// hasWebhook reports whether notices go to a webhook.
func (t *Tx) hasWebhook(ctx context.Context) (bool, error) {
	var channels int
	err := t.QueryRow(ctx, "SELECT count(*) FROM notice_settings WHERE channel = ?", string(notice.ByWebhook)).Scan(&channels)
	return channels > 0, err
}
