//! Style sheet, script and icon: in the binary, under names that change with their content, so that browsers may keep them for ever.

use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    extract::Path,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use std::sync::LazyLock;

pub(super) struct Asset {
    pub(super) path: String,
    media: &'static str,
    body: &'static str,
}

static ASSETS: LazyLock<[Asset; 3]> = LazyLock::new(|| {
    [
        Asset::new("css", "text/css; charset=utf-8", include_str!("../../ui/assets/hostler.css")),
        Asset::new(
            "js",
            "text/javascript; charset=utf-8",
            include_str!("../../ui/assets/hostler.js"),
        ),
        Asset::new("svg", "image/svg+xml", include_str!("../../ui/assets/hostler.svg")),
    ]
});

pub(super) fn style() -> &'static Asset {
    &ASSETS[0]
}

pub(super) fn script() -> &'static Asset {
    &ASSETS[1]
}

pub(super) fn icon() -> &'static Asset {
    &ASSETS[2]
}

impl Asset {
    fn new(extension: &str, media: &'static str, body: &'static str) -> Self {
        let hash = digest(&SHA256, body.as_bytes());
        let hash: String = hash.as_ref().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        Self { path: format!("/assets/hostler.{hash}.{extension}"), media, body }
    }
}

pub(super) async fn serve(Path(name): Path<String>) -> Response {
    let wanted = ASSETS.iter().find(|asset| asset.path.strip_prefix("/assets/") == Some(&name));
    match wanted {
        Some(asset) => {
            let headers = [
                (header::CONTENT_TYPE, asset.media),
                (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
            ];
            (headers, asset.body).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
