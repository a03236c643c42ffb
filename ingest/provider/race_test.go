//go:build race

package provider

// poolLoss is how many times as much is allocated under the race detector, whose pools lose what they hold.
const poolLoss = 2
