//! How much a message may hold.
//!
//! Owns one walk over any message, whatever its type, that adds nothing up but sizes: no text longer than
//! 4 KiB, no list longer than 1,000, no bytes longer than 48 KiB. Messages are walked when they are made and
//! when they came. As a message is 64 KiB at most and every element takes a byte, what is decoded before the
//! walk is bounded, too. Nothing nests but what the types say.

use serde::ser::{self, Serialize};

/// The longest message, bytes.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// The longest text, bytes.
pub const TEXT_BYTES_MAX: usize = 4096;
/// The longest list.
pub const ITEMS_MAX: usize = 1000;
/// The longest run of bytes, as a piece of a file.
pub const BYTES_MAX: usize = 48 * 1024;
/// Bytes of a message that items may fill, so that what stands around them fits.
const PAGE_BYTES_MAX: usize = MESSAGE_BYTES_MAX - 12 * 1024;

/// What is too much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooMuch(pub &'static str);

impl std::fmt::Display for TooMuch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for TooMuch {}

impl ser::Error for TooMuch {
    fn custom<T: std::fmt::Display>(_: T) -> TooMuch {
        TooMuch("something that cannot be said")
    }
}

/// Whether all of a message is within the limits.
pub fn within(message: &impl Serialize) -> Result<(), TooMuch> {
    message.serialize(Walk)
}

/// The bytes that something takes in a message.
pub(super) fn size_of(item: &impl Serialize) -> Option<usize> {
    postcard::serialize_with_flavor(item, postcard::ser_flavors::Size::default()).ok()
}

/// As many of `items` as fit into one answer, at most `most` (0: any number), and whether any are left. What
/// alone is too much for an answer ends the page before it, and is left out if it comes first.
pub fn page<T: Serialize>(items: impl IntoIterator<Item = T>, most: u32) -> (Vec<T>, bool) {
    let most = usize::try_from(most).unwrap_or(ITEMS_MAX);
    let most = if most == 0 { ITEMS_MAX } else { most.min(ITEMS_MAX) };
    let (mut taken, mut bytes) = (Vec::new(), 0);
    for item in items {
        let size = size_of(&item).filter(|_| within(&item).is_ok());
        let size = size.unwrap_or(usize::MAX).min(MESSAGE_BYTES_MAX);
        if taken.is_empty() && size > PAGE_BYTES_MAX {
            continue;
        }
        if taken.len() == most || bytes + size > PAGE_BYTES_MAX {
            return (taken, true);
        }
        bytes += size;
        taken.push(item);
    }
    (taken, false)
}

fn at_most(count: usize, most: usize, what: &'static str) -> Result<(), TooMuch> {
    if count <= most { Ok(()) } else { Err(TooMuch(what)) }
}

type Walked = Result<(), TooMuch>;

/// The walk. It writes nothing.
#[derive(Clone, Copy)]
struct Walk;

/// The walk inside a list.
struct Items(usize);

impl Items {
    fn item(&mut self, item: &(impl Serialize + ?Sized)) -> Walked {
        self.0 += 1;
        at_most(self.0, ITEMS_MAX, "a list of more than 1,000")?;
        item.serialize(Walk)
    }
}

macro_rules! nothing_to_measure {
    ($($name:ident $type:ty),*) => {
        $(fn $name(self, _: $type) -> Walked {
            Ok(())
        })*
    };
}

impl ser::Serializer for Walk {
    type Ok = ();
    type Error = TooMuch;
    type SerializeSeq = Items;
    type SerializeTuple = Walk;
    type SerializeTupleStruct = Walk;
    type SerializeTupleVariant = Walk;
    type SerializeMap = Items;
    type SerializeStruct = Walk;
    type SerializeStructVariant = Walk;

    nothing_to_measure!(
        serialize_bool bool, serialize_char char, serialize_i8 i8, serialize_i16 i16,
        serialize_i32 i32, serialize_i64 i64, serialize_u8 u8, serialize_u16 u16,
        serialize_u32 u32, serialize_u64 u64, serialize_f32 f32, serialize_f64 f64,
        serialize_unit_struct &'static str
    );

    // As bytes are made or as JSON, identities are not to look alike: this walk is of the bytes.
    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_str(self, text: &str) -> Walked {
        at_most(text.len(), TEXT_BYTES_MAX, "a text of more than 4 KiB")
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Walked {
        at_most(bytes.len(), BYTES_MAX, "more than 48 KiB in a piece")
    }

    fn serialize_unit(self) -> Walked {
        Ok(())
    }

    fn serialize_none(self) -> Walked {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Walked {
        value.serialize(self)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Walked {
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, v: &T) -> Walked {
        v.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Walked {
        value.serialize(self)
    }

    fn serialize_seq(self, count: Option<usize>) -> Result<Items, TooMuch> {
        at_most(count.unwrap_or(0), ITEMS_MAX, "a list of more than 1,000").map(|()| Items(0))
    }

    fn serialize_tuple(self, _: usize) -> Result<Walk, TooMuch> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Walk, TooMuch> {
        Ok(self)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Walk, TooMuch> {
        Ok(self)
    }

    fn serialize_map(self, count: Option<usize>) -> Result<Items, TooMuch> {
        self.serialize_seq(count)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Walk, TooMuch> {
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Walk, TooMuch> {
        Ok(self)
    }
}

impl ser::SerializeSeq for Items {
    type Ok = ();
    type Error = TooMuch;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Walked {
        self.item(value)
    }

    fn end(self) -> Walked {
        Ok(())
    }
}

impl ser::SerializeMap for Items {
    type Ok = ();
    type Error = TooMuch;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Walked {
        self.item(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Walked {
        value.serialize(Walk)
    }

    fn end(self) -> Walked {
        Ok(())
    }
}

macro_rules! fields {
    ($($kind:ident $method:ident ($($name:ty)?)),*) => {
        $(impl ser::$kind for Walk {
            type Ok = ();
            type Error = TooMuch;

            fn $method<T: Serialize + ?Sized>(&mut self, $(_: $name,)? value: &T) -> Walked {
                value.serialize(*self)
            }

            fn end(self) -> Walked {
                Ok(())
            }
        })*
    };
}

fields!(
    SerializeTuple serialize_element (),
    SerializeTupleStruct serialize_field (),
    SerializeTupleVariant serialize_field (),
    SerializeStruct serialize_field (&'static str),
    SerializeStructVariant serialize_field (&'static str)
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tapicom::values::Bytes;

    #[test]
    fn what_is_too_much_is_found_wherever_it_is() {
        let text = |bytes: usize| Some(("x", vec!["y".repeat(bytes)]));
        assert_eq!(within(&text(TEXT_BYTES_MAX)), Ok(()));
        assert!(within(&text(TEXT_BYTES_MAX + 1)).is_err());
        assert_eq!(within(&vec![1_u8; ITEMS_MAX]), Ok(()));
        assert!(within(&(1, vec![1_u8; ITEMS_MAX + 1])).is_err());
        let map =
            |count: usize| (0..count).map(|n| (n, n)).collect::<std::collections::BTreeMap<_, _>>();
        assert_eq!(within(&map(ITEMS_MAX)), Ok(()));
        assert!(within(&map(ITEMS_MAX + 1)).is_err());
        assert_eq!(within(&Bytes(vec![0; BYTES_MAX])), Ok(()));
        assert!(within(&Bytes(vec![0; BYTES_MAX + 1])).is_err());
    }

    #[test]
    fn a_page_is_what_fits() {
        assert_eq!(page(0..5_u32, 0), (vec![0, 1, 2, 3, 4], false));
        assert_eq!(page(0..5_u32, 2), (vec![0, 1], true));
        assert_eq!(page(0..5_000_u32, 0).0.len(), ITEMS_MAX);
        let long = || std::iter::repeat_n("x".repeat(4000), 40);
        let (taken, more) = page(long(), 0);
        assert!(more && taken.len() == 13, "{}", taken.len());
        let giant = ["x".repeat(5000), "y".to_owned()];
        assert_eq!(page(giant, 0), (vec!["y".to_owned()], false), "a giant stops everything");
    }
}
