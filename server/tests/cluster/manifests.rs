//! The API server accepts the manifests.

use serde_json::{Value, json};

use crate::cluster::{Namespace, apply, overlay, overlay_with, try_kubectl};

/// The errors and warnings of a dry run of objects, those of pod
/// security included.
fn objections(objects: &[Value]) -> String {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    let arguments = ["apply", "--dry-run=server", "--validate=strict", "-f", "-"];
    let (_, stderr, _) = try_kubectl(&arguments, &list.to_string());
    stderr
}

#[test]
fn every_overlay_is_accepted_without_a_warning() {
    for name in ["local", "aws"] {
        let objects = overlay(name);
        let is_namespace = |it: &&Value| it["kind"] == "Namespace";
        let namespace: Vec<Value> = objects.iter().filter(is_namespace).cloned().collect();
        assert_eq!(
            namespace[0]["metadata"]["labels"]["pod-security.kubernetes.io/warn"],
            "restricted"
        );
        apply("default", &namespace);
        assert_eq!(objections(&objects), "", "{name}");
        println!("{name}: {} objects accepted", objects.len());

        let mut worse = objects.clone();
        let deployment = worse.iter_mut().find(|it| it["kind"] == "Deployment").expect("one");
        let container = &mut deployment["spec"]["template"]["spec"]["containers"][0];
        container["securityContext"]["allowPrivilegeEscalation"] = json!(true);
        let said = objections(&worse);
        assert!(said.contains("would violate PodSecurity \"restricted"), "{said}");
    }
}

#[test]
fn a_broker_that_is_there_already_takes_the_place_of_rabbitmq() {
    let lines = "components: [../../components/external-queue]\n";
    let objects = overlay_with("local", lines);
    let name = |it: &Value| it["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let left: Vec<String> =
        objects.iter().filter(|it| it["kind"] != "ConfigMap").map(name).collect();
    assert!(left.iter().all(|name| !name.contains("rabbitmq")), "{left:?}");
    let policies = objects.iter().filter(|it| it["kind"] == "NetworkPolicy");
    let let_out = policies.filter(|it| it["spec"]["egress"].to_string().contains("5671"));
    assert_eq!(let_out.count(), 2, "the server's and the workers'");
    let namespace: Vec<Value> =
        objects.iter().filter(|it| it["kind"] == "Namespace").cloned().collect();
    apply("default", &namespace);
    assert_eq!(objections(&objects), "");
}

#[test]
fn components_are_accepted_without_a_warning() {
    for component in ["standby", "broker-nodes", "monitoring"] {
        let objects =
            overlay_with("local", &format!("components: [../../components/{component}]\n"));
        let namespace: Vec<Value> =
            objects.iter().filter(|it| it["kind"] == "Namespace").cloned().collect();
        apply("default", &namespace);
        assert_eq!(objections(&objects), "", "{component}");
    }
}

#[test]
fn every_container_is_confined_and_bounded() {
    for name in ["local", "aws"] {
        let objects = overlay(name);
        let pods = objects.iter().filter_map(|it| it.pointer("/spec/template/spec"));
        for pod in pods {
            assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{pod}");
            for container in pod["containers"].as_array().expect("containers") {
                assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
                assert!(container["resources"]["limits"]["memory"].is_string(), "{container}");
                for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
                    assert!(container[probe].is_object(), "{} lacks {probe}", container["name"]);
                }
            }
        }
    }
}

#[test]
fn the_servers_account_may_do_what_it_must_and_nothing_else() {
    let namespace = Namespace::create("role");
    apply(&namespace.name, &namespace.objects(&["ServiceAccount", "Role", "RoleBinding"]));
    let account =
        format!("--as=system:serviceaccount:{}:distributed-average-server", namespace.name);
    let may = |verb: &str, thing: &str, further: &[&str]| {
        let arguments = ["auth", "can-i", verb, thing, &account, "--namespace", &namespace.name];
        try_kubectl(&[&arguments, further].concat(), "").2
    };
    let worker = "deployments/distributed-average-worker";
    let scale = ["--subresource=scale"];
    for (verb, thing, further) in [
        ("patch", worker, &scale[..]),
        ("list", worker, &[]),
        ("watch", worker, &[]),
        ("list", "pods", &[]),
        ("watch", "pods", &[]),
        ("patch", "pods", &[]),
    ] {
        assert!(may(verb, thing, further), "it must {verb} {thing}");
    }
    let verbs = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];
    let allowed = [
        ("list", worker),
        ("watch", worker),
        ("list", "pods"),
        ("watch", "pods"),
        ("patch", "pods"),
    ];
    let things = [
        worker,
        "deployments",
        "deployments/other",
        "pods",
        "secrets",
        "configmaps",
        "services",
        "serviceaccounts",
        "replicasets",
        "statefulsets",
        "events",
        "roles",
        "rolebindings",
        "nodes",
        "persistentvolumeclaims",
        "jobs",
        "leases",
    ];
    let mut denied = 0;
    for thing in things {
        for verb in verbs {
            if !allowed.contains(&(verb, thing)) {
                assert!(!may(verb, thing, &[]), "it may {verb} {thing}");
                denied += 1;
            }
        }
    }
    for verb in ["get", "update"] {
        assert!(!may(verb, worker, &scale), "it may {verb} the scale");
    }
    assert!(!may("patch", "deployments/other", &scale), "it may scale another Deployment");
    for subresource in ["exec", "log", "eviction", "portforward", "ephemeralcontainers", "status"] {
        for verb in ["get", "create", "update", "patch"] {
            let subresource = format!("--subresource={subresource}");
            assert!(!may(verb, "pods", &[&subresource]), "it may {verb} pods {subresource}");
            denied += 1;
        }
    }
    assert!(!may("list", "pods", &["--all-namespaces"]), "it may list pods everywhere");
    println!("{} denied", denied + 4);
}
