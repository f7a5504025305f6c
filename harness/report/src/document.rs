//! What a report says, before it is decided how it looks.

use crate::chart::Chart;

/// A whole report. Every text in it is plain text; renderers escape it.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The test's name.
    pub title: String,
    /// When, with what, and how much: one line.
    pub subtitle: String,
    /// Whether the figures can be believed.
    pub verdict: Verdict,
    /// The answer, a sentence each.
    pub answer: Vec<String>,
    /// What must be known before believing the figures, gravest first.
    pub notices: Vec<Notice>,
    /// Names of the variants, in the plan's order: their colours and marks follow it.
    pub variants: Vec<String>,
    /// The variants side by side; for a single cell, its own figures.
    pub scorecard: Table,
    /// Small series for the terminal.
    pub sparks: Vec<Spark>,
    /// The rest, in order.
    pub sections: Vec<Section>,
}

/// Whether the figures can be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// How good.
    pub level: Level,
    /// A few words.
    pub word: String,
    /// Why, in a sentence.
    pub reason: String,
}

/// How good, or how grave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// All is well.
    Good,
    /// Good to know.
    Note,
    /// Read with care.
    Caution,
    /// Can't be believed.
    Severe,
}

impl Level {
    /// A word for it, since colour alone says nothing to some readers.
    pub const fn name(self) -> &'static str {
        match self {
            Level::Good => "good",
            Level::Note => "note",
            Level::Caution => "caution",
            Level::Severe => "severe",
        }
    }
}

/// One warning, of all the cells it applies to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// How grave.
    pub level: Level,
    /// What.
    pub title: String,
    /// Where, with the figures.
    pub detail: String,
    /// What to do.
    pub remedy: String,
}

/// A small series.
#[derive(Debug, Clone, PartialEq)]
pub struct Spark {
    /// What it shows.
    pub label: String,
    /// Heights, 0 to 1; none where there is no figure.
    pub heights: Vec<Option<f64>>,
    /// Its range in words.
    pub range: String,
}

/// A part of the page with a heading.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// Anchor.
    pub id: &'static str,
    /// Heading.
    pub title: String,
    /// In order.
    pub blocks: Vec<Block>,
}

/// Something in a section.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// A paragraph.
    Text(String),
    /// A drawing.
    Figure(Figure),
    /// A table.
    Table(Table),
    /// Preformatted text, folded away.
    Code(String, String),
    /// Terms and what they mean.
    Definitions(Vec<(String, String)>),
}

/// A drawing with what it says and the figures it is made from.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// Anchor, unique on the page.
    pub id: &'static str,
    /// What it shows.
    pub title: String,
    /// How to read it, in a sentence.
    pub caption: String,
    /// What it says, from the figures: for those who can't see it.
    pub description: String,
    /// The drawing.
    pub chart: Chart,
    /// The figures.
    pub table: Table,
}

/// A table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    /// What it holds.
    pub caption: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its rows; each as long as `columns`.
    pub rows: Vec<Vec<Cell>>,
}

/// A column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Column {
    /// Its heading, with the unit where all cells share one.
    pub label: String,
    /// What it means, for a hover.
    pub hint: String,
    /// Whether it holds figures, which are set flush right.
    pub numeric: bool,
    /// The variant it belongs to.
    pub variant: Option<usize>,
}

/// A cell of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cell {
    /// Its text; empty when there is none.
    pub text: String,
    /// What it means, for a hover.
    pub hint: String,
    /// Whether it heads its row.
    pub kind: CellKind,
}

/// What a cell is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CellKind {
    /// An entry.
    #[default]
    Plain,
    /// The heading of its row.
    Head,
    /// The heading of the rows below it: the only cell of its row.
    Group,
    /// A figure that does not mean what it would elsewhere, such as a percentile of an unstable cell.
    Marked,
    /// A row that only the page shows.
    Minor,
}

impl Cell {
    /// An entry.
    pub fn new(text: impl Into<String>) -> Self {
        Cell { text: text.into(), ..Cell::default() }
    }

    /// A row's heading.
    pub fn head(text: impl Into<String>) -> Self {
        Cell { text: text.into(), kind: CellKind::Head, ..Cell::default() }
    }

    /// With a hover.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Marked, if `marked`.
    #[must_use]
    pub fn marked(mut self, marked: bool) -> Self {
        if marked {
            self.kind = CellKind::Marked;
        }
        self
    }
}

impl Column {
    /// Of texts.
    pub fn text(label: impl Into<String>) -> Self {
        Column { label: label.into(), ..Column::default() }
    }

    /// Of figures.
    pub fn number(label: impl Into<String>) -> Self {
        Column { label: label.into(), numeric: true, ..Column::default() }
    }

    /// With a hover.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Of a variant.
    #[must_use]
    pub fn of(mut self, variant: usize) -> Self {
        self.variant = Some(variant);
        self
    }
}
