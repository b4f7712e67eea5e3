use super::*;

/// What of a text is hidden; taken from what `oslo_utils.strutils.mask_password` does with the
/// same texts, but for those below the blank line, of which it shows more.
#[test]
fn secrets_are_masked_in_every_form() {
    for (text, masked) in [
        ("password=X1", "password=******"),
        (
            "ipa-root-password=X1 quiet",
            "ipa-root-password=****** quiet",
        ),
        ("a password = X1 b", "a password = ****** b"),
        ("PASSWORD='X1 X2' b", "PASSWORD='******' b"),
        ("password=\"X1 X2\" b", "password=\"******\" b"),
        ("--password X1 --debug", "--password ****** --debug"),
        ("--password=X1 b", "--password=****** b"),
        ("password 'X1'", "password '******'"),
        (r#"{"password": "X1"}"#, r#"{"password": "******"}"#),
        (
            r#"{"a_password1" : "X1", "b": 1}"#,
            r#"{"a_password1" : "******", "b": 1}"#,
        ),
        ("{'adminPass': u'X1'}", "{'adminPass': '******'}"),
        ("<adminPass>X1</adminPass>", "<adminPass>******</adminPass>"),
        (
            "'adminPass', '--flag', 'X1'",
            "'adminPass', '--flag', '******'",
        ),
        ("token --flag X1 b", "token --flag ****** b"),
        ("auth_token=X1", "auth_token=******"),
        ("CHAPPASSWORD=X1", "CHAPPASSWORD=******"),
        (r#"{"password": "X1\"X2"}"#, r#"{"password": "******"}"#),
        (r#"{"password": "X1'X2"}"#, r#"{"password": "******"}"#),
        (
            r#"{"password": 12, "b": null}"#,
            r#"{"password": ******, "b": null}"#,
        ),
        ("--os-password X1 b", "--os-password ****** b"),
        ("password_hash=X1 b", "password_hash=****** b"),
        ("password=a'X1 b", "password=****** b"),
        ("password=^X1^X2", "password=******"),
        ("password=\"X1 X2", "password=\"******\""),
        ("foo/secret/bar=X1", "foo/secret/bar=******"),
        (
            r#"{"args": "password=X1", "b": 1}"#,
            r#"{"args": "password=******", "b": 1}"#,
        ),
        ("http://u:X1@h/k?a=b", "http://******@h/k?a=b"),
        ("\"rootpw=$1$X1\"", "\"rootpw=******\""),
    ] {
        let shown = mask_text(text);
        assert_eq!(shown, masked, "{text}");
        // What is hidden once stays as it is.
        assert_eq!(mask_text(&shown), shown, "{text}");
        assert!(holds_mask(&shown) && !holds_mask(text), "{text}");
    }
}

#[test]
fn text_without_secrets_is_unchanged() {
    for text in [
        "",
        "quiet console=ttyS0,115200 nofb",
        "no password is set",
        "tokens: none",
        "password=",
        r#"{"user": "X", "note": "******"}"#,
        "http://h/k?a=b#c",
        "kernel --name kernel http://10.0.0.1/k a=b initrd=deploy_ramdisk || goto failed",
    ] {
        assert!(
            matches!(mask_text(text), Cow::Borrowed(it) if it == text),
            "{text}"
        );
        assert!(!holds_mask(text), "{text}");
    }
}

#[test]
fn credentials_and_signatures_in_urls_are_masked() {
    for (text, masked) in [
        ("http://user:X1@h:80/k", "http://******@h:80/k"),
        ("http://X1@h", "http://******@h"),
        ("http://user:X1@X2@h/k", "http://******@h/k"),
        ("http://user:X1/X2@h/k", "http://******@h/k"),
        ("http://h:80/k@v1", "http://h:80/k@v1"),
        ("http://h:/k@v1", "http://h:/k@v1"),
        ("http://[::1]:80/k@v1", "http://[::1]:80/k@v1"),
        (
            "http://user:X1%2F@[fd00::1]:80/k",
            "http://******@[fd00::1]:80/k",
        ),
        (
            "see HTTPS://u:X1@h/k, and http://v:X2@i.",
            "see HTTPS://******@h/k, and http://******@i.",
        ),
        ("\"http://u:X1@h/k\": no", "\"http://******@h/k\": no"),
        ("http://h/a@b?c@d", "http://h/a@b?c@d"),
        (
            "https://s/v1/A/c/o?temp_url_sig=X1&temp_url_expires=7&filename=k",
            "https://s/v1/A/c/o?temp_url_sig=******&temp_url_expires=7&filename=k",
        ),
        (
            "https://b.s3/k?X-Amz-Date=1&X-Amz-Credential=X1%2F2&X-Amz-Signature=X2",
            "https://b.s3/k?X-Amz-Date=1&X-Amz-Credential=******&X-Amz-Signature=******",
        ),
        (
            "https://b/k?X-Amz-Security-Token=X1",
            "https://b/k?X-Amz-Security-Token=******",
        ),
        (
            "https://b/k?sv=1&sig=X1%3D&se=2",
            "https://b/k?sv=1&sig=******&se=2",
        ),
        (
            "https://b/k?Expires=1&Signature=X1&",
            "https://b/k?Expires=1&Signature=******&",
        ),
        ("https://b/k?sign=1&design=2", "https://b/k?sign=1&design=2"),
        ("postgresql://u:X1@h/d", "postgresql://******@h/d"),
    ] {
        assert_eq!(mask_urls(text), masked, "{text}");
        assert_eq!(mask_urls(masked), masked, "{masked}");
    }
}

#[test]
fn names_are_secret_by_the_words_they_contain() {
    for name in [
        "ipmi_password",
        "REDFISH_Password",
        "agent_secret_token",
        "snmp_auth_key",
    ] {
        assert!(is_secret(name), "{name}");
    }
    for name in ["username", "passwd", "key", "deploy_kernel"] {
        assert!(!is_secret(name), "{name}");
    }
}
