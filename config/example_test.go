package config_test

import (
	"fmt"
	"os"

	"jethook/config"
)

// Everything that is wrong is reported at once, and no secret is ever printed.
func ExampleLoad() {
	set := func(variable, value string) { os.Setenv(variable, value) }
	defer func() {
		for _, name := range []string{"SOURCES", "SOURCE_POLAR_SECRET", "RETRY_SCHEDULE", "RETRY_SCHEDUL", "REPLICAS"} {
			os.Unsetenv("JETHOOK_" + name)
		}
	}()
	set("JETHOOK_SOURCES", "polar")
	set("JETHOOK_SOURCE_POLAR_SECRET", "polar_whs_a-secret-of-the-example")
	set("JETHOOK_RETRY_SCHEDULE", "1m,10m")
	cfg, err := config.Load()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(cfg.Listen, cfg.RetrySchedule)
	fmt.Println(cfg.Sources[0].Name, cfg.Sources[0].Secrets)

	set("JETHOOK_RETRY_SCHEDUL", "1m")
	set("JETHOOK_REPLICAS", "2")
	_, err = config.Load()
	fmt.Println(err)
	// Output:
	// :8080 1m,10m
	// polar [<secret>]
	// JETHOOK_REPLICAS: 2 replicas need a cluster: set JETHOOK_NATS_URL, or leave 1 for the embedded server
	// JETHOOK_RETRY_SCHEDUL: is not a Jethook variable; unset it; did you mean JETHOOK_RETRY_SCHEDULE?
}
