package Bed;

# Setup of all test files. Use it after Test::Nginx::Socket.
#
# The test bed is the one of ETCD_BED (tools/bed.mjs up). Every block gets the module paths, a few shared dicts, the
# request "GET /t" and "no_error_log: [error]" unless it says otherwise. A section `--- lua` is the body of location /t.

use strict;
use warnings;

use Cwd qw( cwd );
use JSON::PP qw( decode_json );
use Test::Nginx::Util qw( add_block_preprocessor html_dir );

my $file = $ENV{ETCD_BED} or die "ETCD_BED is not set: start a test bed with \"node tools/bed.mjs up --dir DIR\"\n";
$file = $ENV{ETCD_BED} = cwd() . "/$file" if $file !~ m{^/};
open my $in, "<", $file or die "cannot open $file: $!\n";
my $bed = decode_json(join "", <$in>);
close $in;

$ENV{TEST_NGINX_ROOT} ||= cwd();
$ENV{TEST_NGINX_LUA_CPATH} ||= ";;";
$ENV{TEST_NGINX_HTML_DIR} = html_dir();
$ENV{TEST_NGINX_ETCD} ||= $bed->{single}{http};
$ENV{TEST_NGINX_AUTH} = $bed->{auth}{http};
$ENV{TEST_NGINX_CA} = $bed->{certs}{ca};
$ENV{TEST_NGINX_OTHER_CA} = $bed->{certs}{other_ca};
$ENV{TEST_NGINX_SERVER_CERT} = $bed->{certs}{server};
$ENV{TEST_NGINX_SERVER_KEY} = $bed->{certs}{server_key};

my $http = <<'_EOC_';
    lua_package_path "$TEST_NGINX_ROOT/lua/?.lua;$TEST_NGINX_ROOT/lua/?/init.lua;$TEST_NGINX_ROOT/t/lib/?.lua;;";
    lua_package_cpath "$TEST_NGINX_LUA_CPATH";
    lua_socket_log_errors off;
    lua_shared_dict test 1m;
    lua_shared_dict etcd_health 1m;
    lua_shared_dict etcd_health2 1m;
_EOC_

add_block_preprocessor(sub {
    my $block = shift;
    $block->set_value("main_config", "env ETCD_BED;\nenv TEST_NGINX_SERVER_PORT;\n" . ($block->main_config || ""));
    $block->set_value("http_config", $http . ($block->http_config || ""));
    if (defined $block->lua) {
        my $location = "location = /t {\ncontent_by_lua_block {\n" . $block->lua . "\n}\n}\n";
        $block->set_value("config", $location . ($block->config || ""));
    }
    if (!defined $block->request && !defined $block->pipelined_requests && !defined $block->raw_request) {
        $block->set_value("request", "GET /t");
    }
    if (!defined $block->no_error_log) {
        $block->set_value("no_error_log", "[error]");
    }
});

1;
