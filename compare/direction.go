package compare

import (
	"math"
	"strings"
	"unicode"
)

// A Direction says which values of a metric are better.
type Direction string

// The directions.
const (
	Unknown Direction = ""
	Higher  Direction = "higher" // is better
	Lower   Direction = "lower"  // is better
)

var lowerWords = words("loss logloss error err errors rmse mse mae mape smape msle medae latency perplexity ppl wer cer brier divergence kl regret rmsle fpr fnr ece deviance")

var higherWords = words("accuracy acc f1 f2 fbeta auc auroc auprc prauc rocauc precision recall sensitivity specificity r2 bleu rouge meteor ndcg map mrr iou dice jaccard mcc kappa tpr tnr gini throughput hits")

func words(list string) map[string]bool {
	out := map[string]bool{}
	for w := range strings.FieldsSeq(list) {
		out[w] = true
	}
	return out
}

// DirectionOf guesses from the words of a metric's name: of loss, error, rmse, mae, latency and the like lower is
// better, of accuracy, f1, auc, precision, recall, r2 and the like higher. Words are parted by anything but letters and
// digits, or by case: "val_loss", "testAccuracy", "eval/f1-score". A word "neg" in front turns it around, as in scikit-learn's
// neg_mean_squared_error. A name with words of both kinds, or of none, is Unknown.
func DirectionOf(metric string) Direction {
	lower, higher, negative := false, false, false
	for _, w := range split(metric) {
		lower = lower || lowerWords[w]
		higher = higher || higherWords[w]
		negative = negative || w == "neg"
	}
	switch {
	case lower == higher:
		return Unknown
	case lower == negative:
		return Higher
	}
	return Lower
}

// split returns the words of a name in lower case.
func split(name string) []string {
	var b strings.Builder
	var before rune
	for _, r := range name {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			r = ' '
		case unicode.IsUpper(r) && unicode.IsLower(before):
			b.WriteByte(' ')
		}
		b.WriteRune(unicode.ToLower(r))
		before = r
	}
	return strings.Fields(b.String())
}

// A Change says how a value stands to another.
type Change string

// The changes. Of a metric whose Direction is Unknown it is only known that it Differs.
const (
	Same    Change = "same"
	Better  Change = "better"
	Worse   Change = "worse"
	Differs Change = "differs"
	Added   Change = "added"   // it is not there in the first version
	Removed Change = "removed" // it is there in the first version only
	Absent  Change = ""        // in neither
)

// judge says what a change from one value to another is.
func (d Direction) judge(from, to float64) Change {
	switch {
	case from == to:
		return Same
	case d == Unknown || math.IsNaN(from) || math.IsNaN(to):
		return Differs
	case (to > from) == (d == Higher):
		return Better
	}
	return Worse
}
