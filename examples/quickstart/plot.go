package main

import (
	"errors"
	"fmt"
	"image/color"
	"os"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"

	"github.com/modelregistry-go/modelregistry/examples/iris"
)

// savePlot draws the confusion matrix into a PNG file: what the flowers are from top to bottom, what they were taken for
// from left to right, so that what is right stands on the falling diagonal.
func (m confusion) savePlot(title, file string) error {
	p := plot.New()
	p.Title.Text = title
	p.Title.Padding = vg.Points(10)
	p.X.Label.Text = fmt.Sprintf("predicted (%d of %d right)", m.right(), m.total())
	p.Y.Label.Text = "actual"
	for _, style := range []*text.Style{
		&p.Title.TextStyle, &p.X.Label.TextStyle, &p.Y.Label.TextStyle, &p.X.Tick.Label, &p.Y.Tick.Label,
	} {
		style.Font = font.Font{Typeface: "Liberation", Variant: "Sans", Size: vg.Points(12)}
	}
	p.Title.TextStyle.Font.Size = vg.Points(14)

	heat := plotter.NewHeatMap(m, blues{})
	heat.Min, heat.Max = 0, float64(m.total())/3 // all flowers of one species
	counts, err := m.labels(heat.Max)
	if err != nil {
		return err
	}
	p.Add(heat)
	for _, at := range []float64{0.5, 1.5} {
		for _, gap := range []plotter.XYs{{{X: at, Y: -0.5}, {X: at, Y: 2.5}}, {{X: -0.5, Y: at}, {X: 2.5, Y: at}}} {
			p.Add(&plotter.Line{XYs: gap, LineStyle: draw.LineStyle{Color: color.White, Width: vg.Points(3)}})
		}
	}
	p.Add(counts)
	p.NominalX(iris.Species...)
	upwards := slices.Clone(iris.Species) // the axis counts from below
	slices.Reverse(upwards)
	p.NominalY(upwards...)
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Padding = vg.Points(5)
		axis.Label.Padding = vg.Points(8)
	}

	// The names of the species take width beside the matrix; with this much more of it than height its cells are square.
	const width, height, margin = 5.5 * vg.Inch, 5.25 * vg.Inch, 0.15 * vg.Inch
	img := vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(144))
	p.Draw(draw.Crop(draw.New(img), margin, -margin, margin, -margin))
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	_, err = vgimg.PngCanvas{Canvas: img}.WriteTo(out)
	return errors.Join(err, out.Close())
}

// labels writes the counts into the cells, in white where the cell is dark.
func (m confusion) labels(full float64) (*plotter.Labels, error) {
	var cells plotter.XYLabels
	for row := range 3 {
		for column := range 3 {
			cells.XYs = append(cells.XYs, plotter.XY{X: float64(column), Y: float64(row)})
			cells.Labels = append(cells.Labels, strconv.Itoa(int(m.Z(column, row))))
		}
	}
	labels, err := plotter.NewLabels(cells)
	if err != nil {
		return nil, fmt.Errorf("labels: %w", err)
	}
	for i := range labels.TextStyle {
		style := &labels.TextStyle[i]
		style.Font = font.Font{Typeface: "Liberation", Variant: "Sans", Size: vg.Points(20)}
		style.XAlign, style.YAlign = text.XCenter, text.YCenter
		if m.Z(i%3, i/3) > full/2 {
			style.Color = color.White
		}
	}
	return labels, nil
}

// Dims, X, Y and Z are what a heat map draws: a grid whose row 0 is at the bottom.
func (m confusion) Dims() (columns, rows int) { return 3, 3 }
func (m confusion) X(column int) float64      { return float64(column) }
func (m confusion) Y(row int) float64         { return float64(row) }
func (m confusion) Z(column, row int) float64 { return float64(m[2-row][column]) }

// blues go from nearly white to dark.
type blues struct{}

func (blues) Colors() []color.Color {
	from, to := [3]float64{244, 247, 252}, [3]float64{23, 78, 138}
	var colors []color.Color
	const steps = 64
	for i := range steps {
		var c [3]uint8
		for j := range c {
			c[j] = uint8(from[j] + (to[j]-from[j])*float64(i)/(steps-1))
		}
		colors = append(colors, color.RGBA{c[0], c[1], c[2], 255})
	}
	return colors
}
