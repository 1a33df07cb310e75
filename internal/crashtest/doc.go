// Package crashtest proves what a registry on SQLite and a directory keeps when its process is killed, when its machine
// loses power, and when its disk is full.
//
// The tests start their own binary once more as a child that changes a registry as fast as it can, and writes to a pipe
// what it is about to do and what has been acknowledged. What the store holds afterwards has to be exactly what was
// acknowledged, but for the one operation of each worker that was under way, which is there as a whole or not at all.
//
// MODELREGISTRY_TEST_SEED repeats the choices of a run (not its timing), MODELREGISTRY_TEST_THOROUGH has the child
// killed 300 times instead of 60. The tests of power loss and full disks mount file systems of their own, which takes root.
package crashtest
