// Package lineartest checks that registries are linearizable: that whatever several clients do at once, in one process or
// in two, what each of them was answered is what some order of the calls, one after the other, would have answered.
package lineartest
