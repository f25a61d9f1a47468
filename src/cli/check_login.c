/* check_login: whether a login and a password belong together on this machine, by its own PAM.
 *
 * Reads from standard input: login, NUL, password, NUL, end. Writes "yes\n" or "no\n". Nothing is taken from the
 * command line or the environment, and nothing is kept. Build it where it is to run:
 *
 *     tapioca check_login >check_login.c
 *     cc -O2 -Wall -o FOLDER/gluepot/check_login check_login.c -l:libpam.so.0
 *
 * FOLDER is that of the machine's netplumber, whose gluepot.toml says:
 *
 *     [[component]]
 *     name = "check_login"
 *     program = "check_login"
 *     machines = ["box"]            # the appliance, and nobody else
 *     read = ["/etc"]
 *
 * What counts is said in /etc/pam.d/tapioca, for example:
 *
 *     auth    required pam_unix.so nodelay
 *     account required pam_unix.so
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* As Linux-PAM has them, so that its headers need not be installed. */
struct pam_message { int style; const char *text; };
struct pam_response { char *text; int code; };
struct pam_conv {
    int (*talk)(int, const struct pam_message **, struct pam_response **, void *);
    void *ours;
};
struct pam_handle;
int pam_start_confdir(const char *, const char *, const struct pam_conv *, const char *,
                      struct pam_handle **);
int pam_authenticate(struct pam_handle *, int);
int pam_acct_mgmt(struct pam_handle *, int);
int pam_end(struct pam_handle *, int);
enum { SUCCESS = 0, CONVERSATION_ERROR = 19, ECHO_OFF = 1, ECHO_ON = 2, NO_EMPTY = 1, SILENT = 0x8000 };

#ifndef SERVICE
#define SERVICE "tapioca"
#endif
#ifndef CONFDIR
#define CONFDIR NULL /* the usual one */
#endif

enum { TEXT_MAX = 512, QUESTIONS_MAX = 32 };

/* Says the password to whoever asks for something that is not shown, and nothing else. */
static int talk(int count, const struct pam_message **asked, struct pam_response **said, void *password) {
    if (count < 1 || count > QUESTIONS_MAX)
        return CONVERSATION_ERROR;
    struct pam_response *all = calloc((size_t)count, sizeof *all);
    if (all == NULL)
        return CONVERSATION_ERROR;
    for (int at = 0; at < count; at++) {
        if (asked[at]->style == ECHO_ON || (asked[at]->style == ECHO_OFF
                                            && (all[at].text = strdup(password)) == NULL)) {
            while (at-- > 0)
                free(all[at].text);
            free(all);
            return CONVERSATION_ERROR;
        }
    }
    *said = all;
    return SUCCESS;
}

/* Two texts, each ended by a NUL, and nothing behind them. */
static int hear(char *room, size_t size, char **login, char **password) {
    size_t filled = 0;
    ssize_t count;
    while (filled < size && (count = read(STDIN_FILENO, room + filled, size - filled)) > 0)
        filled += (size_t)count;
    char *first = memchr(room, 0, filled);
    if (first == NULL)
        return 0;
    size_t behind = (size_t)(first + 1 - room);
    char *second = memchr(room + behind, 0, filled - behind);
    if (second == NULL || second + 1 != room + filled)
        return 0;
    *login = room;
    *password = first + 1;
    return **login != 0 && **password != 0;
}

static int is_right(const char *login, char *password) {
    struct pam_conv conversation = {talk, password};
    struct pam_handle *pam = NULL;
    int result = pam_start_confdir(SERVICE, login, &conversation, CONFDIR, &pam);
    if (result != SUCCESS)
        return 0;
    result = pam_authenticate(pam, NO_EMPTY | SILENT);
    if (result == SUCCESS)
        result = pam_acct_mgmt(pam, NO_EMPTY | SILENT);
    pam_end(pam, result);
    return result == SUCCESS;
}

int main(void) {
    static char room[2 * (TEXT_MAX + 1) + 1];
    char *login = NULL, *password = NULL;
    int right = hear(room, sizeof room, &login, &password) && is_right(login, password);
    explicit_bzero(room, sizeof room);
    puts(right ? "yes" : "no");
    return fflush(stdout) == 0 ? 0 : 111;
}
