package notice

import (
	"context"

	"vedette.dev/vedette/internal/automation/signature"
)

// Settings are how the channels are reached; nil is a channel that nobody has set
// up.
type Settings struct {
	Mail    *MailSettings
	Webhook *WebhookSettings
}

// WebhookSettings are where every notice goes beside its mail. The Secret is made
// by the platform.
type WebhookSettings struct {
	Target
	Secret signature.Secret
}

// SettingsReader reads the settings as they are now, secrets included.
type SettingsReader interface {
	NoticeSettings(ctx context.Context) (Settings, error)
}
