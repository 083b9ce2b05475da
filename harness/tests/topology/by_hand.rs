//! Mistakes with what is made by hand, recorded, compared and listened to.

use super::super::parse;

mistakes! {
    what_is_made_by_hand_has_a_place_a_name_and_addresses: "
[[host]]
name = \"docker0\"

[[step]]
make.namespace = { on = \"docker7\", name = \"over/ns\" }

[[step]]
make.bridge = { at = \"docker9/overns\", name = \"a-name-that-is-too-long\", address = \"192.168.0.1\" }

[[step]]
make.vxlan = { on = \"docker0\", name = \"vxlan1\", id = 16777216 }

[[step]]
make.neighbour = { at = \"docker0\", dev = \"eth0\", ip = \"192.168.0\", mac = \"02:42\" }

[[step]]
make.setting = { at = \"docker0\", name = \"kernel.hostname\", value = \"x\" }

[[step]]
make.masquerade = { at = \"docker0\", out = \"an interface\", source = \"10.0.0.0/33\" }
"
    of_a_host_and_a_container_of_one_name_it_is_said_which: "
[[host]]
name = \"twin\"

[[network]]
name = \"demonet\"
on = \"twin\"

[[container]]
name = \"twin\"
on = \"twin\"
networks = [\"demonet\"]

[[step]]
make.fdb = { at = \"twin\", dev = \"eth0\", mac = \"02:42:c0:a8:00:03\", behind = \"10.0.0.11\" }

[[step]]
make.fdb = { at = \"host:twin\", dev = \"eth0\", mac = \"02:42:c0:a8:00:03\", behind = \"10.0.0.11\" }
"
    nobody_answers_from_a_store_that_is_not_there: "
[[host]]
name = \"plain\"
engine = false

[[step]]
make.answerer = { at = \"plain\" }
"
    what_is_recorded_are_packets_and_what_kernels_tell: "
[record]
packets = 3
netlink = \"yes\"
events = true
"
    a_comparison_has_steps_and_places_that_are_there: "
[[host]]
name = \"docker0\"

[[step]]
diff = { on = [\"docker1\"], step = [] }
"
    what_is_listened_to_has_steps_and_its_own_expectations: "
[[host]]
name = \"docker0\"

[[step]]
events = { step = [] }
expect = { loss = \"0%\" }
"
}
