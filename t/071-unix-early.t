use Test::Nginx::Socket 'no_plan';
use lib 't/lib';
use Bed;
use File::Temp qw( tempdir );
use UnixServer;

# Unix sockets while nginx starts: the blocking socket replacement recognizes them by the missing port.
my $folder = tempdir(CLEANUP => 1);
chmod 0755, $folder;
$ENV{TEST_NGINX_UNIX} = "unix:$folder/etcd.sock";
$ENV{TEST_NGINX_UNIX_STALE} = "unix:$folder/stale.sock";
UnixServer::start("$folder/etcd.sock");
IO::Socket::UNIX->new(Local => "$folder/stale.sock", Listen => 1)->close;

no_long_string();
run_tests();

__DATA__

=== TEST 1: unix_socket_proxy, and a socket as the endpoint, work in init_by_lua
--- http_config
    init_by_lua_block {
        local t = require "testlib"
        require("blocking_socket").install()
        function package.loaded.early_hosts()
            local hosts = {}
            for i, opts in ipairs {
                { unix_socket_proxy = "$TEST_NGINX_UNIX", http_host = "http://etcd.test:2379" },
                { http_host = "$TEST_NGINX_UNIX" },
            } do
                local res, err = t.new(opts):get("/x")
                hosts[i] = err or res.body.host
            end
            return table.concat(hosts, " ")
        end
        package.loaded.in_init = require "early_hosts"()
    }
    init_worker_by_lua_block {
        package.loaded.in_init_worker = require "early_hosts"()
    }
--- lua
    ngx.say(require "in_init")
    ngx.say(require "in_init_worker")
    ngx.say(require "early_hosts"())
--- response_body
etcd.test:2379 localhost
etcd.test:2379 localhost
etcd.test:2379 localhost



=== TEST 2: the endpoint is used if the socket exists but does not respond
--- http_config
    init_by_lua_block {
        local t = require "testlib"
        require("blocking_socket").install()
        local res, err = t.new({ unix_socket_proxy = "$TEST_NGINX_UNIX_STALE" }):get("/x")
        package.loaded.early_status = err or res.status
    }
--- lua
    ngx.say(require "early_status")
--- response_body
200
