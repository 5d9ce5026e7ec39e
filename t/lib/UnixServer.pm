package UnixServer;

# A server at a Unix socket, in a separate process. It responds to each request with the received Host.
# UnixServer::start($path) starts it, and it ends with the test.

use strict;
use warnings;

use IO::Select;
use IO::Socket::UNIX;
use POSIX ();

my $tester = $$;
my $child;

sub serve {
    my $listener = shift;
    my $ready = IO::Select->new($listener);
    while (getppid() == $tester) {
        my $conn = $ready->can_read(0.2) ? $listener->accept : next;
        local $/ = "\r\n\r\n";
        my $head = <$conn> // "";
        my ($host) = $head =~ /^Host: (.*?)\r$/m;
        read $conn, my $request, $1 if $head =~ /^Content-Length: (\d+)/m;
        my $body = '{"header":{"revision":"1"},"kvs":[{"key":"eA==","value":"IiI="}],"host":"' . ($host // "none") . '"}';
        print $conn "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " . length($body) . "\r\n\r\n$body";
        close $conn;
    }
}

sub start {
    my $path = shift;
    unlink $path;
    my $listener = IO::Socket::UNIX->new(Local => $path, Listen => 5) or die "cannot listen at $path: $!\n";
    chmod 0666, $path;
    defined($child = fork) or die "cannot fork: $!\n";
    if ($child == 0) {
        serve($listener);
        POSIX::_exit(0); # skip the END blocks of the test
    }
    close $listener;
}

END {
    if (defined $child && $$ == $tester) {
        local $?; # keep the result of the tests
        kill TERM => $child;
        waitpid $child, 0;
    }
}

1;
