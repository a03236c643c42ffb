package provider

import (
	"errors"
	"strings"
	"testing"
)

// TestCertificateAddresses: a certificate comes from an address that nobody but the sender can have.
func TestCertificateAddresses(t *testing.T) {
	t.Parallel()
	paypal, _ := Lookup("paypal")
	for address, want := range map[string]bool{
		"https://sns.us-east-1.amazonaws.com/SimpleNotificationService-7ff5318490ec183fbaddaa2a969abfda.pem":         true,
		"https://sns.us-gov-west-1.amazonaws.com/SimpleNotificationService-7ff5318490ec183fbaddaa2a969abfda.pem":     true,
		"https://sns.cn-northwest-1.amazonaws.com.cn/SimpleNotificationService-7ff5318490ec183fbaddaa2a969abfda.pem": true,
		"https://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-a5cafa77":                              true,
		"https://api.sandbox.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-a5cafa77":                      true,

		"https://sns.s3-us-west-2.amazonaws.com/SimpleNotificationService-1.pem":            false, // a bucket called sns
		"https://sns.s3.amazonaws.com/SimpleNotificationService-1.pem":                      false,
		"https://sns.s3-website-us-east-1.amazonaws.com/SimpleNotificationService-1.pem":    false,
		"https://sns.s3.us-west-2.amazonaws.com/SimpleNotificationService-1.pem":            false,
		"https://sns.s3-ap-northeast-1.amazonaws.com/SimpleNotificationService-1.pem":       false,
		"https://sns.elb.amazonaws.com/SimpleNotificationService-1.pem":                     false,
		"https://sns.us-east-1.amazonaws.com.cn/SimpleNotificationService-1.pem":            false,
		"https://sns.us-east-1.amazonaws.com.evil.example/SimpleNotificationService-1.pem":  false,
		"https://snsXus-east-1.amazonaws.com/SimpleNotificationService-1.pem":               false,
		"https://sns.us-east-1.amazonaws.com/?Action=GetTopicAttributes&x=.pem":             false,
		"https://sns.us-east-1.amazonaws.com/other.pem":                                     false,
		"https://sns.us-east-1.amazonaws.com/a/SimpleNotificationService-1.pem":             false,
		"https://sns.us-east-1.amazonaws.com:444/SimpleNotificationService-1.pem":           false,
		"https://a@sns.us-east-1.amazonaws.com/SimpleNotificationService-1.pem":             false,
		"http://sns.us-east-1.amazonaws.com/SimpleNotificationService-1.pem":                false,
		"https://sns.us-east-1.amazonaws.com/SimpleNotificationService-1.pem\n":             false,
		"https://api.paypal.com/v1/notifications/certs/../../oauth2/CERT-1":                 false,
		"https://api.paypal.com/v1/notifications/certs/CERT-1?x=y":                          false,
		"https://api-mXpaypal.com/v1/notifications/certs/CERT-1":                            false,
		"https://www.paypal.com/v1/notifications/certs/CERT-1":                              false,
		"https://api.paypal.com.evil.example/v1/notifications/certs/CERT-360caa42-fca2a594": false,
	} {
		allowed := snsCertificate.MatchString(address)
		if strings.Contains(address, "paypal") {
			allowed = paypal.Scheme.(RSA).Addresses.MatchString(address)
		}
		if allowed != want {
			t.Errorf("%q is allowed: %t", address, allowed)
		}
	}
}

// TestConfirmationAddresses: what a message has us ask for confirms the subscription to its topic, and does nothing else.
func TestConfirmationAddresses(t *testing.T) {
	t.Parallel()
	const topic = "arn:aws:sns:us-east-1:1:one"
	for address, want := range map[string]bool{
		"https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=" + topic + "&Token=2336":    true,
		"https://sns.s3-us-west-2.amazonaws.com/?Action=ConfirmSubscription&TopicArn=" + topic + "&Token=2336": false,
		"https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe&TopicArn=" + topic + "&Token=2336":            false,
		"https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=another&Token=2336":          false,
		"https://sns.us-east-1.amazonaws.com/a?Action=ConfirmSubscription&TopicArn=" + topic + "&Token=2336":   false,
		"https://sns.us-east-1.amazonaws.com/": false,
	} {
		r := asked("POST", "", `{"Type":"SubscriptionConfirmation","TopicArn":"`+topic+`","SubscribeURL":"`+address+`"}`)
		reply, err := confirmSNS(r, nil)
		if want && (err != nil || reply.confirm != address) || !want && !errors.Is(err, ErrMalformedBody) {
			t.Errorf("%s: %+v, %v", address, reply, err)
		}
	}
}
