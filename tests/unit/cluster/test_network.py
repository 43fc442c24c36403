from itertools import combinations

from rowcast_cluster.network import CLUSTERS, Network


def test_no_two_clusters_of_a_machine_have_an_address_in_common() -> None:
    networks = [Network(index) for index in range(CLUSTERS)]
    for one, other in combinations(networks, 2):
        for mine in (one.link, one.pods, one.services):
            assert not any(mine.overlaps(theirs) for theirs in (other.link, other.pods, other.services))


def test_this_machine_and_the_node_are_the_two_ends_of_a_link() -> None:
    network = Network(3)
    assert {network.host, network.node} == {str(address) for address in network.link.hosts()}
    assert network.interface == "rowcast3"
    assert network.dns_service.rpartition(".")[0] == network.api_service.rpartition(".")[0]
