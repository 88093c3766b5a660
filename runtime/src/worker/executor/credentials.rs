//! Who this machine is at a registry: what `docker login` has left in the Docker configuration.

use std::collections::HashMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use bollard::auth::DockerCredentials;
use serde::Deserialize;
use tokio::io::AsyncWriteExt as _;

/// What the configuration calls Docker Hub.
const HUB: &str = "https://index.docker.io/v1/";
/// A helper may ask a keyring or a cloud.
const HELPER: Duration = Duration::from_secs(30);

/// The parts of `config.json` that matter here.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Config {
    auths: HashMap<String, Auth>,
    creds_store: String,
    cred_helpers: HashMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Auth {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
}

/// What a helper prints.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Secret {
    username: String,
    secret: String,
}

/// The credentials for the registry of an image, if the configuration in this folder has any.
///
/// # Errors
///
/// If the configuration cannot be understood, or a helper that it names does not work.
pub(super) async fn credentials_for(image: &str, folder: &Path) -> Result<Option<DockerCredentials>, String> {
    let path = folder.join("config.json");
    let Ok(text) = tokio::fs::read(&path).await else { return Ok(None) };
    let config: Config =
        serde_json::from_slice(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    let registry = registry_of(image);
    let helper = match config.cred_helpers.get(registry) {
        Some(helper) => helper,
        None => &config.creds_store,
    };
    if !helper.is_empty()
        && let Some(credentials) = ask_helper(&format!("docker-credential-{helper}"), registry).await?
    {
        return Ok(Some(credentials));
    }
    let auth = config.auths.iter().find(|(key, _)| host_of(key) == host_of(registry));
    Ok(auth.and_then(|(_, auth)| read_auth(auth, registry)))
}

fn read_auth(auth: &Auth, registry: &str) -> Option<DockerCredentials> {
    let (mut username, mut password) = (auth.username.clone(), auth.password.clone());
    if !auth.auth.is_empty() {
        let decoded = base64::engine::general_purpose::STANDARD.decode(auth.auth.trim()).ok()?;
        let decoded = String::from_utf8(decoded).ok()?;
        let (name, word) = decoded.split_once(':')?;
        (username, password) = (name.to_owned(), word.trim_end_matches('\0').to_owned());
    }
    if username.is_empty() && auth.identitytoken.is_empty() {
        // An entry that only says that a helper has more.
        return None;
    }
    Some(DockerCredentials {
        username: Some(username),
        password: Some(password),
        identitytoken: Some(auth.identitytoken.clone()).filter(|token| !token.is_empty()),
        serveraddress: Some(registry.to_owned()),
        ..DockerCredentials::default()
    })
}

async fn ask_helper(program: &str, registry: &str) -> Result<Option<DockerCredentials>, String> {
    let problem = |error: std::io::Error| format!("{program}: {error}");
    let mut child = tokio::process::Command::new(program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(problem)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that does not read its input says what it has to say anyway.
        let _ = stdin.write_all(registry.as_bytes()).await;
    }
    let output = tokio::time::timeout(HELPER, child.wait_with_output())
        .await
        .map_err(|_| format!("{program}: no answer in {} s", HELPER.as_secs()))?
        .map_err(problem)?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).trim().to_owned();
        return if said.contains("credentials not found") {
            Ok(None)
        } else {
            Err(format!("{program}: {said}"))
        };
    }
    let secret: Secret =
        serde_json::from_slice(&output.stdout).map_err(|error| format!("{program}: {error}"))?;
    let mut credentials =
        DockerCredentials { serveraddress: Some(registry.to_owned()), ..DockerCredentials::default() };
    if secret.username == "<token>" {
        credentials.identitytoken = Some(secret.secret);
    } else {
        (credentials.username, credentials.password) = (Some(secret.username), Some(secret.secret));
    }
    Ok(Some(credentials))
}

/// The registry that an image's name leads to, as the configuration calls it.
fn registry_of(image: &str) -> &str {
    match image.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => {
            if matches!(host, "docker.io" | "index.docker.io") { HUB } else { host }
        }
        _ => HUB,
    }
}

fn host_of(key: &str) -> &str {
    let key = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    key.split_once('/').map_or(key, |(host, _)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn found(config: &str, image: &str) -> Option<(String, String)> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.json"), config).unwrap();
        let credentials = credentials_for(image, folder.path()).await.unwrap()?;
        Some((credentials.username.unwrap_or_default(), credentials.password.unwrap_or_default()))
    }

    #[tokio::test]
    async fn a_login_is_found_by_the_registry_of_the_image() {
        // me:word:s
        let config = r#"{"auths": {"https://index.docker.io/v1/": {"auth": "bWU6d29yZDpz"},
            "registry.example:5000": {"username": "you", "password": "pass"}, "empty.example": {}}}"#;
        let me = Some(("me".to_owned(), "word:s".to_owned()));
        assert_eq!(found(config, "busybox").await, me);
        assert_eq!(found(config, "library/busybox:1").await, me);
        assert_eq!(found(config, "docker.io/library/busybox:1").await, me);
        let you = Some(("you".to_owned(), "pass".to_owned()));
        assert_eq!(found(config, "registry.example:5000/a/b@sha256:00").await, you);
        assert_eq!(found(config, "registry.example/a/b").await, None);
        assert_eq!(found(config, "empty.example/a").await, None);
    }

    #[tokio::test]
    async fn a_configuration_or_a_helper_that_does_not_work_is_named() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(credentials_for("a", folder.path()).await, Ok(None));
        let path = folder.path().join("config.json");
        std::fs::write(&path, "{").unwrap();
        assert!(credentials_for("a", folder.path()).await.unwrap_err().contains("config.json"));
        std::fs::write(&path, r#"{"credHelpers": {"r.example": "no-such-helper"}}"#).unwrap();
        assert_eq!(credentials_for("a", folder.path()).await, Ok(None));
        let problem = credentials_for("r.example/a", folder.path()).await.unwrap_err();
        assert!(problem.contains("docker-credential-no-such-helper"), "{problem}");
    }

    #[tokio::test]
    async fn a_helper_is_asked_for_the_registry() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("docker-credential-test");
        let script = r#"#!/bin/sh
[ "$1" = get ] || exit 2
read -r registry
case "$registry" in
me.example) echo '{"ServerURL": "me.example", "Username": "me", "Secret": "word"}' ;;
token.example) echo '{"Username": "<token>", "Secret": "T"}' ;;
broken.example) echo 'no keyring' >&2; exit 1 ;;
*) echo 'credentials not found in native keychain'; exit 1 ;;
esac
"#;
        // Written by another process: one of this process's other tests may just fork, and keep the file busy.
        let script = format!("cat > \"$0\" <<'END'\n{script}END\nchmod +x \"$0\"");
        let made = std::process::Command::new("/bin/sh").args(["-c", &script]).arg(&program).status();
        assert!(made.unwrap().success());
        let program = program.to_str().unwrap();
        let me = ask_helper(program, "me.example").await.unwrap().unwrap();
        assert_eq!((me.username.as_deref(), me.password.as_deref()), (Some("me"), Some("word")));
        let token = ask_helper(program, "token.example").await.unwrap().unwrap();
        assert_eq!((token.username, token.identitytoken.as_deref()), (None, Some("T")));
        assert_eq!(ask_helper(program, "else.example").await, Ok(None));
        assert!(ask_helper(program, "broken.example").await.unwrap_err().contains("no keyring"));
    }
}
