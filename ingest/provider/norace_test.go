//go:build !race

package provider

const poolLoss = 1
