package modelregistry

import (
	"fmt"
	"math/rand/v2"
)

var (
	runMoods = [...]string{
		"agile", "amber", "bold", "brave", "bright", "calm", "clever", "cosmic", "crisp", "curious", "daring", "eager", "fancy", "fleet",
		"gentle", "glad", "golden", "grand", "happy", "humble", "jolly", "keen", "kind", "lively", "loyal", "lucky", "mellow", "merry",
		"mighty", "nimble", "noble", "patient", "placid", "polite", "proud", "quick", "quiet", "rapid", "serene", "sharp", "silent", "smooth",
		"spirited", "steady", "sunny", "swift", "tidy", "upbeat", "vivid", "warm", "wise", "witty", "zesty",
	}
	runAnimals = [...]string{
		"ant", "badger", "bat", "bear", "beaver", "bee", "bison", "camel", "cat", "crane", "crow", "deer", "dolphin", "dove",
		"duck", "eagle", "elk", "falcon", "finch", "fox", "frog", "gecko", "goose", "hare", "hawk", "heron", "horse", "ibis",
		"jay", "koala", "lark", "lemur", "lion", "lynx", "mole", "moose", "moth", "newt", "otter", "owl", "panda", "pike",
		"puma", "rabbit", "raven", "robin", "salmon", "seal", "shark", "shrew", "sloth", "stork", "swan", "tiger", "toad", "trout",
		"turtle", "viper", "walrus", "whale", "wolf", "wren", "yak", "zebra",
	}
)

// randomName is a name for what was given none, such as calm-otter-123: easy to say, and not unique.
func randomName() string {
	return fmt.Sprintf("%s-%s-%d", runMoods[rand.IntN(len(runMoods))], runAnimals[rand.IntN(len(runAnimals))], rand.IntN(1000))
}
