package provider

import "time"

// standardRows are senders that follow https://www.standardwebhooks.com, most of them by way of Svix. The id is the
// same on every try, and the body need not say one.
var standardRows = []Sender{
	{
		Name: "brex", Title: "Brex", Docs: "https://developer.brex.com/docs/webhooks/",
		Secret: signingSecret, Scheme: standardWebhooks(WhsecKey),
		Type: JSON("event_type"), ID: standardID,
		Success: success200, Refusal: refusal401,
	},
	{
		Name: "clerk", Title: "Clerk", Docs: "https://clerk.com/docs/webhooks/overview",
		Secret: signingSecret, Scheme: svix(),
		Type: JSON("type"), ID: svixID,
		Success: success200, Refusal: refusal401,
	},
	{
		// The signing token of 2026; the sender "gitlab" is the older one in X-Gitlab-Token.
		// Sends up to 25 MB: https://docs.gitlab.com/administration/instance_limits/#webhook-limits
		Name: "gitlab-signing", Title: "GitLab (signing token)", LargestBody: 25 << 20, Docs: "https://docs.gitlab.com/user/project/integrations/webhooks/",
		Secret: "the webhook's signing token", Scheme: standardWebhooks(WhsecKey),
		Type: Header("X-Gitlab-Event"), ID: standardID,
		Success: success200, Refusal: refusal401, Wait: 10 * time.Second,
	},
	{
		Name: "liveblocks", Title: "Liveblocks", Docs: "https://liveblocks.io/docs/platform/webhooks",
		Secret: signingSecret, Scheme: standardWebhooks(WhsecKey),
		Type: JSON("type"), ID: standardID,
		Success: success200, Refusal: refusal401,
	},
	{
		// Its library also takes a secret without whsec_ as it is, and a signature without a version.
		Name: "openai", Title: "OpenAI", Docs: "https://platform.openai.com/docs/guides/webhooks",
		Secret: signingSecret, Scheme: openAI(),
		Type: JSON("type"), ID: standardID,
		Success: success200, Refusal: refusal401,
	},
	{
		// Its samples answer 202, and 403 to a bad signature. The keys: https://github.com/polarsource/polar/pull/14117
		Name: "polar", Title: "Polar", Docs: "https://polar.sh/docs/integrate/webhooks/delivery",
		Secret: sharedSecret, SecretForm: polarSecret, Scheme: standardWebhooks(PolarKey),
		Type: JSON("type"), ID: standardID,
		Success: success202, Refusal: refusal403, Wait: 10 * time.Second,
	},
	{
		Name: "render", Title: "Render", Docs: "https://render.com/docs/webhooks",
		Secret: signingSecret, Scheme: standardWebhooks(WhsecKey),
		Type: JSON("type"), ID: standardID,
		Success: success200, Refusal: refusal401, Wait: 15 * time.Second,
	},
	{
		// A prediction has no type: its status stands for it.
		Name: "replicate", Title: "Replicate", Docs: "https://replicate.com/docs/topics/webhooks/verify-webhook",
		Secret: signingSecret, Scheme: standardWebhooks(WhsecKey),
		Type: JSON("status"), ID: standardID,
		Success: success200, Refusal: refusal401,
	},
	{
		Name: "resend", Title: "Resend", Docs: "https://resend.com/docs/dashboard/webhooks/verify-webhooks-requests",
		Secret: signingSecret, Scheme: svix(),
		Type: JSON("type"), ID: svixID,
		Success: success200, Refusal: refusal401,
	},
	{
		Name: "standard-webhooks", Title: "Standard Webhooks",
		Docs:   "https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md",
		Secret: signingSecret, Scheme: standardWebhooks(WhsecKey),
		Type: JSON("type"), ID: standardID,
		Success: success202, Refusal: refusal401, Wait: 15 * time.Second,
	},
	{
		Name: "standard-webhooks-ed25519", Title: "Standard Webhooks (Ed25519)",
		Docs:   "https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md",
		Secret: publicSecret + ", whpk_…",
		Scheme: Ed25519{
			Key: Base64, KeyPrefix: "whpk_",
			Signature: standardSignature("v1a", standardID, Header("webhook-timestamp"), Header("webhook-signature")),
		},
		Type: JSON("type"), ID: standardID,
		Success: success202, Refusal: refusal401, Wait: 15 * time.Second,
	},
	{
		// The caller waits for the answer: 204 says go on, and 200 or 202 would have to be JSON. Each try has a
		// new id. Of several signatures each but the last has a comma after it.
		Name: "supabase-auth-hook", Title: "Supabase auth hook", Docs: "https://supabase.com/docs/guides/auth/auth-hooks",
		BodySecrets: []string{"email_data.token", "sms.otp"},
		Secret:      "the hook's secret, v1,whsec_…", Scheme: standardWebhooks(WhsecKey),
		Type: Const("auth-hook"), ID: standardID,
		Success: success204, Refusal: refusal401, Wait: 5 * time.Second,
	},
	{
		Name: "svix", Title: "Svix", Docs: "https://docs.svix.com/receiving/verifying-payloads/how-manual",
		Secret: signingSecret, Scheme: svix(),
		Type: JSON("type"), ID: svixID,
		Success: success200, Refusal: refusal401, Wait: 15 * time.Second,
	},
}

func openAI() HMAC {
	s := standardWebhooks(WhsecOrRawKey)
	s.Format = MaybeVersioned("v1")
	return s
}
