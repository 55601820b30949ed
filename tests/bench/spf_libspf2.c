/* The side of libspf2 in bench_spf, asked by lines as spf_pyspf.py is: a zone in memory under libspf2's own cache.
 * spf_libspf2 WORLD.txt; lines "R type name value" and "T ip mail_from helo".
 */
#include <arpa/nameser.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>

#include <spf2/spf.h>
#include <spf2/spf_dns.h>
#include <spf2/spf_dns_cache.h>
#include <spf2/spf_dns_null.h>
#include <spf2/spf_dns_zone.h>

#define MOST_TUPLES 20000
#define FOREVER 1000000

struct tuple { char *ip, *mail_from, *helo; };
static struct tuple tuples[MOST_TUPLES];
static int count;

static ns_type type_of(const char *word)
{
    if (!strcmp(word, "TXT")) return ns_t_txt;
    if (!strcmp(word, "MX")) return ns_t_mx;
    if (!strcmp(word, "AAAA")) return ns_t_aaaa;
    return ns_t_a;
}

static SPF_result_t check(SPF_server_t *server, const struct tuple *asked)
{
    SPF_request_t *request = SPF_request_new(server);
    SPF_response_t *response = NULL;
    SPF_result_t result;
    if (strchr(asked->ip, ':')) SPF_request_set_ipv6_str(request, asked->ip);
    else SPF_request_set_ipv4_str(request, asked->ip);
    SPF_request_set_helo_dom(request, asked->helo);
    SPF_request_set_env_from(request, asked->mail_from);
    SPF_request_query_mailfrom(request, &response);
    result = SPF_response_result(response);
    SPF_response_free(response);
    SPF_request_free(request);
    return result;
}

int main(int argc, char **argv)
{
    static char line[70000];
    FILE *world = argc > 1 ? fopen(argv[1], "r") : NULL;
    SPF_dns_server_t *zone, *cache;
    SPF_server_t *server;
    if (!world) return 2;
    zone = SPF_dns_zone_new(SPF_dns_null_new(NULL, "null", 0), "zone", 0);
    cache = SPF_dns_cache_new(zone, "cache", 0, 16);
    SPF_dns_cache_set_ttl(cache, FOREVER, FOREVER, FOREVER, FOREVER);
    while (fgets(line, sizeof line, world)) {
        line[strcspn(line, "\n")] = 0;
        char *kind = strtok(line, " "), *first = strtok(NULL, " "), *second = strtok(NULL, " "), *rest = strtok(NULL, "");
        if (*kind == 'R') SPF_dns_zone_add_str(zone, second, type_of(first), NETDB_SUCCESS, rest);
        else if (count < MOST_TUPLES) tuples[count++] = (struct tuple){strdup(first), strdup(second), strdup(rest)};
    }
    fclose(world);
    server = SPF_server_new_dns(cache, 0);
    SPF_server_set_sanitize(server, 0);
    while (fgets(line, sizeof line, stdin)) {
        if (!strncmp(line, "results", 7)) {
            for (int i = 0; i < count; i++) printf("%s ", SPF_strresult(check(server, &tuples[i])));
            puts("");
        } else {
            int passes = atoi(line + 4);
            clock_t began = clock();
            for (int pass = 0; pass < passes; pass++)
                for (int i = 0; i < count; i++) check(server, &tuples[i]);
            printf("%.6f\n", (double)(clock() - began) / CLOCKS_PER_SEC);
        }
        fflush(stdout);
    }
    return 0;
}
