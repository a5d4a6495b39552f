"""Feeds scripts/check-includes a small tree with violations and compares what it says."""

import pathlib
import subprocess
import sys
import tempfile

SOURCES = {
    "core/good.cpp": '#include <map>\n#include "core/good.hpp"\n#include "base/ids.hpp"\n#include "hive/v1/task.pb.h"\n',
    "core/clock.cpp": "#include <chrono>\nauto now() { return std::chrono::system_clock::now(); }\n",
    "core/thread.cpp": "#include <thread>\n",
    "core/caf.cpp": "#include <caf/actor.hpp>\n",
    "core/up.cpp": '#include "persistence/store.hpp"\n',
    "persistence/sideways.cpp": '#include <lmdb++.h>\n#include "metrics/node_probe.hpp"\n',
    "replication/good.cpp": '#include <raft.h>\n#include "core/table.hpp"\n#include "replication/driver.hpp"\n',
    "replication/clock.cpp": "#include <chrono>\nauto now() { return std::chrono::steady_clock::now(); }\n",
    "replication/impure.cpp": '#include <thread>\n#include <caf/actor.hpp>\n#include "persistence/store.hpp"\n',
    "actors/raft.cpp": "#include <raft.h>\n",
    "metrics/sideways.cpp": '#include <prometheus/counter.h>\n  #  include "persistence/store.hpp"\n',
    "metrics/good.cpp": '#include <boost/beast/http.hpp>\n#include "metrics/page_server.hpp"\n',
    "actors/boost.cpp": "#include <boost/asio.hpp>\n",
    "actors/good.cpp": '#include <caf/actor.hpp>\n#include "persistence/store.hpp"\n#include "metrics/node_probe.hpp"\n',
    "actors/lmdb.cpp": "#include <lmdb++.h>\n",
    "actors/concrete.cpp": '#include "persistence/lmdb_store.hpp"\n',
    "gate/good.cpp": '#include <openssl/ssl.h>\n#include "gate/frame_check.hpp"\n',
    "gate/caf.cpp": "#include <caf/actor.hpp>\n",
    "gate/up.cpp": '#include "actors/interfaces.hpp"\n',
    "client/openssl.cpp": "#include <openssl/ssl.h>\n",
    "client/good.cpp": '#include "actors/interfaces.hpp"\n#include "config/config.hpp"\n',
    "cluster/good.cpp": '#include "client/link.hpp"\n#include "actors/peer_network.hpp"\n',
    "cluster/server.cpp": '#include "actors/replicator.hpp"\n',
    "client/server.cpp": '#include "actors/ledger.hpp"\n#include "core/machine.hpp"\n',
    "tests/good.cpp": '#include "core/machine.hpp"\n#include <chrono>\n',
}

EXPECTED = {
    "core/clock.cpp:2: core/ has no clock and no random source",
    "core/thread.cpp:1: core/ must not include thread",
    "core/caf.cpp:1: core/ must not include caf/actor.hpp",
    "core/up.cpp:1: core/ may not see persistence/store.hpp",
    "persistence/sideways.cpp:2: persistence/ may not see metrics/node_probe.hpp",
    "replication/clock.cpp:2: replication/ has no clock and no random source",
    "replication/impure.cpp:1: replication/ must not include thread",
    "replication/impure.cpp:2: replication/ must not include caf/actor.hpp",
    "replication/impure.cpp:3: replication/ may not see persistence/store.hpp",
    "actors/boost.cpp:1: actors/ must not include boost/asio.hpp",
    "actors/raft.cpp:1: actors/ must not include raft.h",
    "metrics/sideways.cpp:2: metrics/ may not see persistence/store.hpp",
    "actors/lmdb.cpp:1: actors/ must not include lmdb++.h",
    "actors/concrete.cpp:1: actors/ may not see persistence/lmdb_store.hpp",
    "gate/caf.cpp:1: gate/ must not include caf/actor.hpp",
    "gate/up.cpp:1: gate/ may not see actors/interfaces.hpp",
    "client/openssl.cpp:1: client/ must not include openssl/ssl.h",
    "client/server.cpp:1: client/ may not see actors/ledger.hpp",
    "client/server.cpp:2: client/ may not see core/machine.hpp",
    "cluster/server.cpp:1: cluster/ may not see actors/replicator.hpp",
}


def main():
    with tempfile.TemporaryDirectory() as folder:
        for name, text in SOURCES.items():
            path = pathlib.Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        done = subprocess.run([sys.executable, sys.argv[1], folder], capture_output=True, text=True)
    found = set(done.stdout.splitlines()[:-1])
    assert found == EXPECTED, f"missing {EXPECTED - found}, unexpected {found - EXPECTED}"
    assert done.returncode == 1, done.returncode


main()
