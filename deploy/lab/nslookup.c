// nslookup NAME: which addresses a program in this pod gets for a name, and what these are called.
// It asks through the C library, search list and all, as busybox's nslookup did up to 1.28; the
// later one does not complete a name that has a dot, and so finds `web-0.nginx` in no cluster.
#include <arpa/inet.h>
#include <netdb.h>
#include <resolv.h>
#include <stdio.h>

static void print_addresses(const struct addrinfo* found) {
  for (int number = 1; found; found = found->ai_next, ++number) {
    char address[NI_MAXHOST] = "";
    char name[NI_MAXHOST] = "";
    const struct sockaddr* socket = found->ai_addr;
    getnameinfo(socket, found->ai_addrlen, address, sizeof address, NULL, 0, NI_NUMERICHOST);
    getnameinfo(socket, found->ai_addrlen, name, sizeof name, NULL, 0, NI_NAMEREQD);
    printf("Address %d: %s%s%s\n", number, address, *name ? " " : "", name);
  }
}

static int look_up(const char* title, const char* name) {
  const struct addrinfo wanted = {.ai_socktype = SOCK_STREAM};
  struct addrinfo* found;
  const int error = getaddrinfo(name, NULL, &wanted, &found);
  if (error) {
    fflush(stdout);
    fprintf(stderr, "nslookup: can't resolve '%s': %s\n", name, gai_strerror(error));
    return 1;
  }
  printf("%-10s %s\n", title, name);
  print_addresses(found);
  freeaddrinfo(found);
  return 0;
}

int main(int argc, char** argv) {
  char server[INET_ADDRSTRLEN];
  if (argc != 2) {
    fprintf(stderr, "usage: nslookup NAME\n");
    return 2;
  }
  res_init();
  inet_ntop(AF_INET, &_res.nsaddr_list[0].sin_addr, server, sizeof server);
  look_up("Server:", server);
  printf("\n");
  return look_up("Name:", argv[1]);
}
