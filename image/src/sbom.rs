//! What is inside, for those who must know: a list of packages in SPDX 2.3, as JSON.
//!
//! Owns the reading of Cargo.lock. Crates that only tests use are listed, too: the lock file does not
//! part them.

use serde_json::{Value, json};

use crate::Error;
use crate::build::{Input, label};
use crate::host::{read, sha256};

/// The list for an image.
///
/// # Errors
///
/// Cargo.lock cannot be read.
pub fn spdx(input: &Input) -> Result<String, Error> {
    let lock = read(input.cargo_lock)?;
    let broken = |why: &dyn std::fmt::Display| Error::broken(input.cargo_lock.display(), why);
    let text = String::from_utf8_lossy(&lock);
    let table: toml::Table = text.parse().map_err(|e: toml::de::Error| broken(&e.message()))?;
    let crates = table.get("package").and_then(toml::Value::as_array);
    let crates = crates.ok_or_else(|| broken(&"lists no packages"))?;
    let mut packages: Vec<Value> =
        [&input.packages.kernel, &input.packages.loader].into_iter().map(debian).collect();
    packages.extend(crates.iter().map(cargo));
    let list = json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": format!("tapioca-{}-{}", label(input.board), input.version),
        "documentNamespace": format!("urn:sha256:{}", sha256(&lock)),
        "creationInfo": { "created": "2026-01-01T00:00:00Z", "creators": ["Tool: tapioca image"] },
        "packages": packages,
    });
    Ok(format!("{list:#}\n"))
}

fn debian(package: &crate::fetch::Package) -> Value {
    let crate::fetch::Package { name, version, sha256, .. } = package;
    json!({
        "SPDXID": reference(&format!("deb-{name}")),
        "name": name,
        "versionInfo": version,
        "downloadLocation": "NOASSERTION",
        "checksums": [{ "algorithm": "SHA256", "checksumValue": sha256 }],
        "externalRefs": [purl(&format!("pkg:deb/debian/{name}@{version}?arch=amd64"))],
    })
}

fn cargo(package: &toml::Value) -> Value {
    let word = |key: &str| package.get(key).and_then(toml::Value::as_str).unwrap_or_default();
    let (name, version) = (word("name"), word("version"));
    let mut entry = json!({
        "SPDXID": reference(&format!("crate-{name}-{version}")),
        "name": name,
        "versionInfo": version,
        "downloadLocation": "NOASSERTION",
        "externalRefs": [purl(&format!("pkg:cargo/{name}@{version}"))],
    });
    if !word("checksum").is_empty() {
        entry["checksums"] = json!([{ "algorithm": "SHA256", "checksumValue": word("checksum") }]);
    }
    entry
}

fn purl(locator: &str) -> Value {
    json!({ "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": locator })
}

/// Letters, digits, dots and hyphens only.
fn reference(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    format!("SPDXRef-{}", name.chars().map(plain).collect::<String>())
}
