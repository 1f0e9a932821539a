//! Values at fixed places, in pieces that never move: growing copies nothing and takes no more than it needs.

/// Values in one piece.
const PIECE: usize = 1 << 10;

/// Values, each at a place that stays its own until it is taken out.
pub(super) struct Slab<T> {
    pieces: Vec<Vec<Option<T>>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { pieces: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// Puts a value in. Returns its place, which may have been another's before.
    pub(super) fn insert(&mut self, value: T) -> u32 {
        if let Some(place) = self.free.pop() {
            self.pieces[place as usize / PIECE][place as usize % PIECE] = Some(value);
            return place;
        }
        if self.pieces.last().is_none_or(|piece| piece.len() == PIECE) {
            self.pieces.push(Vec::with_capacity(PIECE));
        }
        let whole = (self.pieces.len() - 1) * PIECE;
        let last = self.pieces.last_mut().expect("there is one");
        last.push(Some(value));
        (whole + last.len() - 1) as u32
    }

    /// The value at a place.
    pub(super) fn get(&self, place: u32) -> Option<&T> {
        self.pieces.get(place as usize / PIECE)?.get(place as usize % PIECE)?.as_ref()
    }

    /// The same, to be changed.
    pub(super) fn get_mut(&mut self, place: u32) -> Option<&mut T> {
        self.pieces.get_mut(place as usize / PIECE)?.get_mut(place as usize % PIECE)?.as_mut()
    }

    /// Takes a value out.
    pub(super) fn remove(&mut self, place: u32) -> Option<T> {
        let value = self.pieces.get_mut(place as usize / PIECE)?.get_mut(place as usize % PIECE)?.take()?;
        self.free.push(place);
        Some(value)
    }

    /// All of them from a place on, in the order of their places.
    pub(super) fn iter(&self, from: u32) -> impl Iterator<Item = (u32, &T)> {
        let (piece, skip) = (from as usize / PIECE, from as usize % PIECE);
        let all = self.pieces.iter().skip(piece).flatten().skip(skip);
        (from..).zip(all).filter_map(|(place, value)| Some((place, value.as_ref()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_used_again_and_others_stay() {
        let mut slab = Slab::default();
        let places: Vec<u32> = (0..3000).map(|number| slab.insert(number)).collect();
        assert_eq!(slab.remove(places[1500]), Some(1500));
        assert_eq!((slab.remove(places[1500]), slab.get(places[1500])), (None, None));
        assert_eq!(slab.insert(7), places[1500]);
        assert_eq!(slab.get(places[2999]), Some(&2999));
        assert_eq!(slab.iter(0).count(), 3000);
        assert_eq!(slab.iter(1025).next(), Some((1025, &1025)));
    }
}
