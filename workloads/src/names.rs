//! Names at the edges, dense numbers inside: users, families and constraints.

use cloudai_schedulers::model::{Constraint, ConstraintId, FamilyId, UserId};

use crate::hash::FixedMap;

/// Texts and their numbers, in order of first appearance.
#[derive(Debug, Default)]
struct Texts {
    /// By their bytes, so that a text that was met before need not be checked to be UTF-8.
    numbers: FixedMap<Box<[u8]>, u32>,
    texts: Vec<String>,
}

impl Texts {
    #[inline]
    fn find(&self, text: &[u8]) -> Option<u32> {
        self.numbers.get(text).copied()
    }

    #[inline]
    fn add<'a>(&mut self, bytes: &[u8], text: impl FnOnce() -> &'a str) -> Option<u32> {
        if let Some(number) = self.find(bytes) {
            return Some(number);
        }
        let number = u32::try_from(self.texts.len()).ok()?;
        self.numbers.insert(bytes.into(), number);
        self.texts.push(text().to_owned());
        Some(number)
    }
}

/// All names of a workload with their numbers.
///
/// Number 0 is the user and the image without a name, the family without both, and the constraint that allows every worker.
#[derive(Debug)]
pub(crate) struct Names {
    users: Texts,
    images: Texts,
    families: FixedMap<(u32, u32), u32>,
    /// By what stands in the file, so that each text is parsed once.
    constraints_by_text: FixedMap<Box<[u8]>, ConstraintId>,
    constraint_numbers: FixedMap<Constraint, ConstraintId>,
    constraints: Vec<Constraint>,
}

impl Names {
    pub(crate) fn new() -> Self {
        let mut names = Self {
            users: Texts::default(),
            images: Texts::default(),
            families: FixedMap::default(),
            constraints_by_text: FixedMap::default(),
            constraint_numbers: FixedMap::default(),
            constraints: vec![Constraint::default()],
        };
        names.constraint_numbers.insert(Constraint::default(), ConstraintId::ANY);
        if let (Some(user), Some(image)) = (names.user(b"", || ""), names.image(b"", || "")) {
            names.family(user, image);
        }
        names
    }

    pub(crate) fn users(&self) -> Vec<String> {
        self.users.texts.clone()
    }

    pub(crate) fn constraints(&self) -> Vec<Constraint> {
        self.constraints.clone()
    }

    pub(crate) fn constraint_of(&self, id: ConstraintId) -> &Constraint {
        &self.constraints[id.0 as usize]
    }
}

/// Gives names their numbers: a first reading adds new ones, later readings only find them.
/// `None` means that the name has no number (and, when adding, that there are too many).
///
/// `text` is called if the bytes are new; it says what they are as text.
pub(crate) trait Numbering {
    fn user<'a>(&mut self, name: &[u8], text: impl FnOnce() -> &'a str) -> Option<UserId>;
    fn image<'a>(&mut self, name: &[u8], text: impl FnOnce() -> &'a str) -> Option<ImageId>;
    fn family(&mut self, user: UserId, image: ImageId) -> Option<FamilyId>;
    /// The constraint that stands in the file as `text`; `parse` is called if the text is new.
    fn constraint(&mut self, text: &[u8], parse: impl FnOnce() -> Constraint) -> Option<ConstraintId>;
}

/// Number of an image; the default is that of the one without a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ImageId(u32);

impl Numbering for Names {
    #[inline]
    fn user<'a>(&mut self, name: &[u8], text: impl FnOnce() -> &'a str) -> Option<UserId> {
        self.users.add(name, text).map(UserId)
    }

    #[inline]
    fn image<'a>(&mut self, name: &[u8], text: impl FnOnce() -> &'a str) -> Option<ImageId> {
        self.images.add(name, text).map(ImageId)
    }

    #[inline]
    fn family(&mut self, user: UserId, image: ImageId) -> Option<FamilyId> {
        let next = u32::try_from(self.families.len()).ok()?;
        Some(FamilyId(*self.families.entry((user.0, image.0)).or_insert(next)))
    }

    fn constraint(&mut self, text: &[u8], parse: impl FnOnce() -> Constraint) -> Option<ConstraintId> {
        if let Some(&id) = self.constraints_by_text.get(text) {
            return Some(id);
        }
        let constraint = parse();
        let next = ConstraintId(u32::try_from(self.constraints.len()).ok()?);
        let id = *self.constraint_numbers.entry(constraint.clone()).or_insert(next);
        if id == next {
            self.constraints.push(constraint);
        }
        self.constraints_by_text.insert(text.into(), id);
        Some(id)
    }
}

/// Finds, and adds nothing.
impl Numbering for &Names {
    #[inline]
    fn user<'a>(&mut self, name: &[u8], _: impl FnOnce() -> &'a str) -> Option<UserId> {
        self.users.find(name).map(UserId)
    }

    #[inline]
    fn image<'a>(&mut self, name: &[u8], _: impl FnOnce() -> &'a str) -> Option<ImageId> {
        self.images.find(name).map(ImageId)
    }

    #[inline]
    fn family(&mut self, user: UserId, image: ImageId) -> Option<FamilyId> {
        self.families.get(&(user.0, image.0)).copied().map(FamilyId)
    }

    #[inline]
    fn constraint(&mut self, text: &[u8], _: impl FnOnce() -> Constraint) -> Option<ConstraintId> {
        self.constraints_by_text.get(text).copied()
    }
}
