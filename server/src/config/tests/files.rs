//! Files beside `zoo.cfg`: `myid`, the dynamic file; and the servers that they name.

use super::*;

#[test]
fn one_participant_serves_alone_and_names_the_client_port() {
    let dir = TempDir::new("one");
    let path =
        dir.write("zoo.cfg", &format!("dataDir={}\nserver.3=localhost:2888:3888;2199\n", dir.show("")));
    dir.write("myid", "3\n");
    let (config, warnings) = ServerConfig::from_file(&path, true).expect("one server is standalone");
    assert_eq!(config.clients.address, ListenAddress { host: None, port: 2199 });
    assert_eq!((config.server_id, config.peers.participants()), (Some(3), 1));
    assert_eq!(config.config_file, Some(path.clone()));
    let expected = format!("{}:2: server.3: is the only server: it serves standalone", path.display());
    assert_eq!(warnings.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
}

#[test]
fn a_client_port_must_agree_with_the_server_line() {
    let dir = TempDir::new("agree");
    dir.write("myid", "1");
    let load = |client: &str, line: &str| {
        let text = format!("dataDir={}\n{client}\nserver.1=a:2888:3888;{line}\n", dir.show(""));
        let path = dir.write("zoo.cfg", &text);
        ServerConfig::from_file(&path, false).map(|(config, _)| config.clients.address.to_string())
    };
    let table = [
        ("clientPort=2181", "2181", "0.0.0.0:2181"),
        ("clientPort=2181", "10.0.0.1:2181", "10.0.0.1:2181"),
        ("clientPort=2181\nclientPortAddress=0.0.0.0", "[::1]:2181", "[::1]:2181"),
        ("clientPort=2181\nclientPortAddress=ZOO1", "zoo1:2181", "zoo1:2181"),
        ("clientPort=2181\nclientPortAddress=localhost", "127.0.0.1:2181", "127.0.0.1:2181"),
        ("", "127.0.0.1:2181", "127.0.0.1:2181"),
    ];
    for (client, line, expected) in table {
        assert_eq!(load(client, line).as_deref(), Ok(expected), "{client:?} {line}");
    }
    let differ = [
        ("clientPort=2181", "2182"),
        ("clientPort=2181\nclientPortAddress=10.0.0.1", "2181"),
        ("clientPort=2181\nclientPortAddress=10.0.0.1", "10.0.0.2:2181"),
        ("clientPort=2181\nclientPortAddress=a", "b:2181"),
    ];
    for (client, line) in differ {
        let errors = load(client, line).expect_err(line);
        assert_eq!(errors.len(), 1, "{client:?} {line}");
        assert!(errors[0].problem.contains(" differs from "), "{}", errors[0]);
    }
}

#[test]
fn a_server_line_without_myid_is_not_ours() {
    let expected = "zoo.cfg: clientPort: is not set; write e.g. clientPort=2181, or write this server's id to \
        dataDir/myid so that its server line is found";
    assert_eq!(errors("dataDir=/d\nserver.1=a:2888:3888;2181"), [expected]);
}

#[test]
fn ensembles_are_refused_for_now() {
    let lines = "server.1=a:2888:3888\nserver.2=b:2888:3888\ninitLimit=5\nsyncLimit=2\n";
    let found = errors_of(lines);
    let refused = "zoo.cfg: server: there are 2 participants, but this build serves standalone only; \
        leave one server line, or none, and standaloneEnabled=true";
    let my_id =
        "zoo.cfg: dataDir: the file /d/myid is missing; write this server's id to it, one line with a number";
    assert_eq!(found, [my_id, refused]);
    let alone = errors_of("server.1=a:2888:3888\nstandaloneEnabled=false\n");
    assert!(alone.iter().any(|error| error.contains("initLimit: is not set, but needed in an ensemble")));
    assert!(alone.iter().any(|error| error.contains("standaloneEnabled=false asks for an ensemble")));
    let none = errors_of("standaloneEnabled=false\n");
    assert!(
        none[0].contains("standaloneEnabled: is false, but no server line names a participant"),
        "{none:?}"
    );
    let observer = errors_of("server.1=a:2888:3888:observer\n");
    let expected = "zoo.cfg: server: there are observers, but too few participants for a quorum; \
        name at least two participants";
    assert_eq!(observer, [expected]);
    let groups = errors_of("server.1=a:2888:3888\nweight.1=1\n");
    let expected = "zoo.cfg: server.1: server 1 is in no group, but groups or weights are set; \
        name every participant in one group";
    assert_eq!(groups, [expected]);
    let stranger = errors_of("server.1=a:2888:3888\ngroup.5=1:9\n");
    let expected = "zoo.cfg: group.5: names server 9, of which there is no server line; \
        remove the server from the group, or add its line";
    assert_eq!(stranger, [expected]);
}

#[test]
fn my_id_must_be_a_number() {
    let dir = TempDir::new("myid");
    let path = dir.write("zoo.cfg", &format!("dataDir={}\nclientPort=2181\n", dir.show("")));
    for (text, expected) in [("12\r\nx", Some(12)), (" 7 ", Some(7)), ("x", None), ("", None)] {
        dir.write("myid", text);
        let loaded = ServerConfig::from_file(&path, false);
        assert_eq!(loaded.as_ref().ok().map(|(config, _)| config.server_id), expected.map(Some), "{text:?}");
        if let Err(errors) = loaded {
            let shown = text.lines().next().unwrap_or_default();
            let expected = format!(
                "{}:1: \"{shown}\" is not a server id; write this server's id to it, one line with a number",
                dir.path().join("").join("myid").display()
            );
            assert_eq!(errors.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
        }
    }
}

#[test]
fn the_dynamic_file_is_read() {
    let dir = TempDir::new("dynamic");
    let dynamic = dir.write("zoo.cfg.dynamic.1f", "server.1=localhost:2888:3888:participant;2199\n");
    let text = format!("dataDir={}\ndynamicConfigFile={}\n", dir.show(""), dynamic.display());
    let path = dir.write("zoo.cfg", &text);
    dir.write("myid", "1");
    let (config, _) = ServerConfig::from_file(&path, true).expect("a dynamic file of one server");
    assert_eq!((config.peers.version, config.clients.address.port), (0x1f, 2199));
    assert_eq!(config.dynamic_config_file, Some(dynamic.clone()));

    dir.write(
        "zoo.cfg.dynamic.1f",
        "version=3\nclientPort=2181\nserver.1=x\nserver.1=localhost:2888:3888;2199\n",
    );
    dir.write("zoo.cfg", &format!("{text}server.2=a:1:2\n"));
    let errors = ServerConfig::from_file(&path, false).expect_err("a dynamic file of wrong lines");
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let (path, dynamic) = (path.display(), dynamic.display());
    let expected = [
        format!(
            "{dynamic}:1: version: the version is the suffix of the file's name, never in the file; remove the line, or move it to the static file"
        ),
        format!(
            "{dynamic}:2: clientPort: does not belong into a dynamic configuration file; remove the line, or move it to the static file"
        ),
        format!(
            "{path}:3: server.2: is in the static file, but there is a dynamicConfigFile; move the line to the dynamic file"
        ),
    ];
    assert_eq!(errors, expected);

    dir.write(
        "zoo.cfg",
        &format!("clientPort=1\ndataDir={}\ndynamicConfigFile=/nonexistent/x\n", dir.show("")),
    );
    let errors = ServerConfig::from_file(&dir.path().join("zoo.cfg"), false).expect_err("no dynamic file");
    assert!(errors[0].to_string().contains("zoo.cfg:3: dynamicConfigFile: /nonexistent/x cannot be read: "));
}

#[test]
fn a_missing_file_is_named() {
    let errors = ServerConfig::from_file(Path::new("/nonexistent/zoo.cfg"), false).expect_err("no file");
    let text = errors[0].to_string();
    assert!(
        text.starts_with("/nonexistent/zoo.cfg: cannot be read: ") && text.ends_with("; check the path"),
        "{text}"
    );
}
