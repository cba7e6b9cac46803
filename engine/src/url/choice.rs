//! One of the names of an enum, by serde: the names that it has are found out on the way, for the message.

use serde::de::value::{Error as DeError, StrDeserializer};
use serde::de::{Error as _, IntoDeserializer, Visitor};
use serde::{Deserialize, Deserializer, forward_to_deserialize_any};

/// The variant of that name, or the names of all variants.
pub(super) fn choose<'a, T: Deserialize<'a>>(name: &'a str) -> Result<T, &'static [&'static str]> {
    let mut variants: &'static [&'static str] = &[];
    T::deserialize(Choice { name, variants: &mut variants }).map_err(|_shows_the_value| variants)
}

struct Choice<'a, 'v> {
    name: &'a str,
    variants: &'v mut &'static [&'static str],
}

impl<'de> Deserializer<'de> for Choice<'de, '_> {
    type Error = DeError;

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        type_name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeError> {
        *self.variants = variants;
        let name: StrDeserializer<'de, DeError> = self.name.into_deserializer();
        name.deserialize_enum(type_name, variants, visitor)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, DeError> {
        Err(DeError::custom("only enums are chosen by name"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}
