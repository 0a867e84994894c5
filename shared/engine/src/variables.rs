//! What `vars` reads.

use domain::run::StepError;
use domain::variables::Variables;
use expr::Template;
use serde_json::Value;

/// The value of `vars` for one template: all variables that are no secrets, and what stands in for the secrets that it names.
///
/// Only the input of an action may name a secret, so `stand_in` gives none elsewhere. Whoever reads `vars` as a whole gets no secret.
pub fn vars(
    template: &Template,
    variables: &Variables,
    stand_in: impl Fn(&str) -> Option<String>,
) -> Result<Value, StepError> {
    let mut vars = variables.plain();
    for name in &template.references().variables {
        if variables.secret(name).is_none() {
            continue;
        }
        let Some(text) = stand_in(name) else {
            let message = format!(
                "`{name}` is a secret variable: only the input of an action can read it, where it is sent and not kept"
            );
            return Err(StepError::fatal("secret_misplaced", message));
        };
        vars[name] = text.into();
    }
    Ok(vars)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Millis;
    use domain::variables::{Held, Variable};
    use serde_json::json;

    fn variables() -> Variables {
        let of = |held| Variable { held, changed_at: Millis(1), changed_by: String::new() };
        let values = [
            ("base", of(Held::Plain(json!("https://api.example.com")))),
            ("key", of(Held::Secret("sealed".into()))),
            ("other", of(Held::Secret("sealed".into()))),
        ];
        Variables { values: values.map(|(name, value)| (name.to_owned(), value)).into() }
    }

    fn read(template: Value, secrets: bool) -> Result<Value, String> {
        let template = Template::parse(&template).unwrap();
        let stand_in = |name: &str| secrets.then(|| format!("<{name}>"));
        vars(&template, &variables(), stand_in).map_err(|e| e.code)
    }

    #[test]
    fn secrets_are_there_by_name_and_in_inputs_of_actions_only() {
        let base = json!({"base": "https://api.example.com"});
        assert_eq!(read(json!("{{ vars.base }}"), false), Ok(base.clone()));
        assert_eq!(read(json!("{{ vars.key }}"), false), Err("secret_misplaced".to_owned()));
        assert_eq!(read(json!("{{ $keys(vars) }}"), true), Ok(base.clone()));
        assert_eq!(read(json!("{{ vars.nothing }}"), false), Ok(base));
        let named = read(json!({"a": "{{ 'Bearer ' & vars.key }}", "b": "{{ vars.base }}"}), true).unwrap();
        assert_eq!(named, json!({"base": "https://api.example.com", "key": "<key>"}));
    }
}
