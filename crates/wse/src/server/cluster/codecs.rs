//! The numbers by which nodes name what a device speaks. They never change their meaning.

use wse_proto::{Codec, Format};

/// What other nodes cannot encode: a codec of the application.
pub(crate) const OTHER: u8 = 0;

/// The number of a codec, for [`Entry::codec`](wse_cluster::Entry::codec).
pub(crate) fn number_of(codec: &Codec) -> u8 {
    match codec {
        Codec::Json => 1,
        Codec::MessagePack => 2,
        Codec::WsMessaging(_, Format::Json) => 3,
        Codec::WsMessaging(_, Format::MessagePack) => 4,
        _ => OTHER,
    }
}

/// The format of the payloads of a codec.
pub(crate) fn format_of(codec: u8) -> Format {
    if matches!(codec, 2 | 4) { Format::MessagePack } else { Format::Json }
}
