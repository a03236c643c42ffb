package provider

import (
	"crypto"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// SNS is how Amazon's Simple Notification Service signs: chosen fields of the JSON body, with a certificate at an
// address of Amazon's. The secrets are the ARNs of the topics that are taken: Amazon signs for everyone's. The
// message attributes are not covered.
type SNS struct{}

// Credentials implements [Scheme].
func (SNS) Credentials() []string { return nil }

// CoversBody implements [Scheme].
func (SNS) CoversBody() bool { return true }

// String implements [Scheme].
func (SNS) String() string {
	return "RSA by Amazon's certificate over fields of {body}, for known topics"
}

// Bind implements [Scheme].
func (SNS) Bind(b Binding) (Verifier, error) {
	v := &snsVerifier{source: b.Keys}
	err := eachSecret(b, func(secret string) error {
		if !strings.HasPrefix(secret, "arn:") {
			return fmt.Errorf("want the ARN of the topic: %w", ErrBadSecret)
		}
		v.topics = append(v.topics, secret)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return v, nil
}

type snsVerifier struct {
	source KeySource
	topics []string
}

// snsHosts are the hosts of the service: one of each region. Anything looser takes what customers may own, such as a
// bucket that is called sns, at sns.s3-us-west-2.amazonaws.com.
const snsHosts = `sns\.(` +
	`[a-z]{2}(-gov)?-(north|south|east|west|central|northeast|northwest|southeast|southwest)-[1-9]\.amazonaws\.com|` +
	`cn-(north|northwest)-[1-9]\.amazonaws\.com\.cn)`

var snsHost = regexp.MustCompile(`^` + snsHosts + `$`)

func isSNSHost(host string) bool { return snsHost.MatchString(host) }

// snsCertificate are the addresses of certificates. A query is none of them: the same hosts answer calls of the
// service, and some answers hold texts that any of Amazon's customers chose, which may be a certificate.
var snsCertificate = regexp.MustCompile(`^https://` + snsHosts + `/SimpleNotificationService-[0-9a-z]{1,64}\.pem$`)

// Signed implements [Verifier].
func (v *snsVerifier) Signed(r *Request) ([]byte, error) {
	body, err := snsBody(r)
	if err != nil {
		return nil, err
	}
	message, err := snsMessage(body)
	return snsContent(message), err
}

// Verify implements [Verifier].
func (v *snsVerifier) Verify(r *Request, now time.Time) error {
	body, err := snsBody(r)
	if err != nil {
		return err
	}
	// The topic is compared first: who does not know it must not make us look any further, nor fetch certificates.
	switch topic := body.Get("TopicArn"); {
	case topic.Type != gjson.String:
		return fmt.Errorf("json:TopicArn: %w", ErrMissingField)
	case !slices.Contains(v.topics, topic.Str):
		return fmt.Errorf("TopicArn: %w", ErrBadClaim)
	}
	message, err := snsMessage(body)
	if err != nil {
		return err
	}
	if err := snsTime.near(r, message["Timestamp"], now); err != nil {
		return err
	}
	hash, known := snsHashes[message["SignatureVersion"]]
	signature, encoded := Base64.bytes(message["Signature"])
	switch {
	case !known:
		return fmt.Errorf("SignatureVersion: %w", ErrMalformedBody)
	case !encoded || len(signature) == 0:
		return fmt.Errorf("Signature: %w", ErrMalformedBody)
	}
	key, err := v.key(message["SigningCertURL"], hash)
	if err != nil {
		return err
	}
	if !key.made(key.signed(snsContent(message)), signature) {
		return ErrBadSignature
	}
	return nil
}

// snsTime is when a message was published, which retries of an hour at most leave as it is:
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
var snsTime = Timestamp{From: JSON("Timestamp"), Unit: RFC3339, Tolerance: minute5, Retries: time.Hour}

func (SNS) tolerance() time.Duration { return snsTime.Tolerance }

func (SNS) signedAt(r *Request) (time.Time, bool) { return snsTime.read(r, "") }

// snsHashes are the hashes of the signature versions. A topic has one of them, and its messages say which.
var snsHashes = map[string]crypto.Hash{"1": crypto.SHA1, "2": crypto.SHA256}

func (v *snsVerifier) key(address string, hash crypto.Hash) (publicKey, error) {
	if !snsCertificate.MatchString(address) {
		return publicKey{}, fmt.Errorf("SigningCertURL is not Amazon's: %w", ErrMalformedBody)
	}
	cert, err := certificate(v.source, address)
	if err != nil {
		return publicKey{}, err
	}
	return rsaKey(cert.PublicKey, hash)
}

// snsNames are the fields that are looked at.
var snsNames = []string{
	"Type", "MessageId", "TopicArn", "Subject", "Message", "Timestamp", "Token", "SubscribeURL",
	"SignatureVersion", "Signature", "SigningCertURL",
}

// snsBody is the body, which must be an object.
func snsBody(r *Request) (body gjson.Result, err error) {
	if r.validJSON() {
		body = gjson.Parse(view(r.text()))
	}
	if !body.IsObject() {
		return body, fmt.Errorf("no JSON object: %w", ErrMalformedBody)
	}
	return body, nil
}

// snsMessage are the text fields of the body that are looked at, none of them repeated.
func snsMessage(body gjson.Result) (map[string]string, error) {
	if repeats(body, snsNames...) {
		return nil, errRepeated
	}
	fields := make(map[string]string, len(snsNames))
	body.ForEach(func(key, value gjson.Result) bool {
		if value.Type == gjson.String && slices.Contains(snsNames, key.Str) {
			fields[key.Str] = value.Str
		}
		return true
	})
	names := snsFields(fields["Type"])
	if names == nil {
		return nil, fmt.Errorf("json:Type: %w", ErrMalformedBody)
	}
	for _, name := range names {
		if _, found := fields[name]; !found && name != "Subject" {
			return nil, fmt.Errorf("json:%s: %w", name, ErrMissingField)
		}
	}
	return fields, nil
}

// snsFields are the signed fields of a type of message, in their order, nil if there is no such type. The type ends
// what is signed, and the topic stands before it. Were any text a type, what Amazon signed of a stranger's topic could
// be cut into fields anew, with a known topic out of the message and the rest as the type.
func snsFields(messageType string) []string {
	switch messageType {
	case snsSubscription, "UnsubscribeConfirmation":
		return []string{"Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"}
	case "Notification":
		return []string{"Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"}
	}
	return nil
}

func snsContent(message map[string]string) []byte {
	var content []byte
	for _, name := range snsFields(message["Type"]) {
		if value, found := message[name]; found {
			content = append(content, name+"\n"+value+"\n"...)
		}
	}
	return content
}

const snsSubscription = "SubscriptionConfirmation"

// confirmSNS has the subscription confirmed at the address that the verified message gives.
func confirmSNS(r *Request, _ []string) (*reply, error) {
	if JSON("Type").find(r) != snsSubscription {
		return nil, nil
	}
	address := JSON("SubscribeURL").find(r)
	if !confirmsSNS(address, JSON("TopicArn").find(r)) {
		return nil, fmt.Errorf("SubscribeURL is not Amazon's: %w", ErrMalformedBody)
	}
	return &reply{answer: success200, confirm: address}, nil
}

// confirmsSNS reports whether the address does nothing but confirm a subscription to the topic: the same hosts answer
// every other call of the service.
func confirmsSNS(address, topic string) bool {
	if !allowedURL(address, isSNSHost) {
		return false
	}
	u, err := url.Parse(address)
	if err != nil || u.Path != "/" {
		return false
	}
	query := parseQuery(u.RawQuery)
	return onlyValue(query, "Action") == "ConfirmSubscription" && onlyValue(query, "TopicArn") == topic
}
