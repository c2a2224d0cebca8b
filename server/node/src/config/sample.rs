//! The sample file, made from the doc comments of the structs.

use toml::Value;

use super::parts;

/// A sample with every key, its meaning and its default.
pub(crate) fn sample() -> String {
    let mut out = String::from(
        "# Parlour's configuration. Every key stands here with its default, after a `#`:\n\
         # take the `#` away to change it. A variable goes over this file, and a flag over both:\n\
         # the key `listen` of `[http]` is `PARLOUR_HTTP_LISTEN`, or `--set http.listen=…`.\n",
    );
    for part in parts() {
        out.push('\n');
        for line in part.about {
            out.push_str(&format!("#{line}\n"));
        }
        out.push_str(&format!("[{}]\n", part.name));
        for key in &part.keys {
            out.push('\n');
            for line in key.about {
                out.push_str(&format!("#{line}\n"));
            }
            if key.secret {
                out.push_str(&format!(
                    "# A secret: `{}_file` names a file that holds it.\n",
                    key.name
                ));
            }
            let default = part
                .defaults
                .get(key.name)
                .map_or_else(|| "\"\"".to_owned(), Value::to_string);
            out.push_str(&format!("#{} = {default}\n", key.name));
        }
    }
    out
}
