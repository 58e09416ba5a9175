/* formats.c: the values of "format" that are enforced, as patterns. Others only annotate, as the specification has it.
 *
 * Sources: RFC 3339 (dates and times; a date exists in its year; no leap seconds), RFC 5321 and 5322 (the usual shape of
 * addresses), RFC 1123 (host names), RFC 2673, RFC 4291 (IP addresses), RFC 3986 (URI), RFC 4122 (UUID), RFC 6901. */
#include <string.h>

#include "constrain/schema_build.h"

#define DATE                                                                                                         \
	"(?:\\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|02-(?:0[1-9]|" \
	"1\\d|2[0-8]))"                                                                                              \
	"|(?:\\d\\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)"
#define TIME "(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,12})?(?:[Zz]|[+-](?:[01]\\d|2[0-3]):[0-5]\\d)"
#define LABEL "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
#define OCTET "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)"
#define IPV4 OCTET "(?:\\." OCTET "){3}"
#define H16 "[0-9A-Fa-f]{1,4}"
#define LS32 "(?:" H16 ":" H16 "|" IPV4 ")"
#define IPV6                                                                                                          \
	"(?:(?:" H16 ":){6}" LS32 "|::(?:" H16 ":){5}" LS32 "|(?:" H16 ")?::(?:" H16 ":){4}" LS32 "|(?:(?:" H16       \
	":){0,1}" H16 ")?::(?:" H16 ":){3}" LS32 "|(?:(?:" H16 ":){0,2}" H16 ")?::(?:" H16 ":){2}" LS32 "|(?:(?:" H16 \
	":){0,3}" H16 ")?::" H16 ":" LS32 "|(?:(?:" H16 ":){0,4}" H16 ")?::" LS32 "|(?:(?:" H16 ":){0,5}" H16         \
	")?::" H16 "|(?:(?:" H16 ":){0,6}" H16 ")?::)"
#define PCHAR "(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})"
#define TAIL "(?:\\?(?:" PCHAR "|[/?])*)?(?:#(?:" PCHAR "|[/?])*)?"
#define AUTHORITY                                                                                                   \
	"(?:(?:[A-Za-z0-9._~!$&'()*+,;=:-]|%[0-9A-Fa-f]{2})*@)?(?:\\[(?:" IPV6                                      \
	"|[vV][0-9A-Fa-f]+\\.[A-Za-z0-9._~!$&'()*+,;=:-]+)\\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)(?::" \
	"\\d*)?"
#define HIER "(?://" AUTHORITY "(?:/" PCHAR "*)*|/(?:" PCHAR "+(?:/" PCHAR "*)*)?|" PCHAR "+(?:/" PCHAR "*)*)?"
#define URI "[A-Za-z][A-Za-z0-9+.-]*:" HIER TAIL
#define NOCOLON "(?:[A-Za-z0-9._~!$&'()*+,;=@-]|%[0-9A-Fa-f]{2})"
#define RELATIVE \
	"(?://" AUTHORITY "(?:/" PCHAR "*)*|/(?:" PCHAR "+(?:/" PCHAR "*)*)?|" NOCOLON "+(?:/" PCHAR "*)*)?" TAIL
#define ATEXT "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"

/* Regular expressions that are surely ones: three levels of groups, the usual ranges. */
#define RX_ESCAPE "\\\\(?:[dDwWsSnrtfv.*+?^$|(){}\\[\\]/\\\\-]|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4})"
#define RX_CLASS "\\[\\^?(?:a-z|A-Z|0-9|a-f|A-F|[^\\]\\[\\\\^-]|" RX_ESCAPE ")+-?\\]"
#define RX_ATOM "(?:[^\\\\^$.|?*+()\\[\\]{}]|\\.|" RX_ESCAPE "|" RX_CLASS ")"
#define RX_MANY                                                   \
	"(?:(?:[*+?]|\\{(?:\\d{1,4},?|[01],[1-9]\\d{0,3})\\})\\?" \
	"?)?"
#define RX_0 "(?:" RX_ATOM RX_MANY "|[|^$])*"
#define RX_1 "(?:" RX_ATOM RX_MANY "|[|^$]|\\((?:\\?[:=!])?" RX_0 "\\)" RX_MANY ")*"
#define RX_2 "(?:" RX_ATOM RX_MANY "|[|^$]|\\((?:\\?[:=!])?" RX_1 "\\)" RX_MANY ")*"

static const struct {
	const char *format, *pattern;
} table[] = {
	{"date", "^" DATE "$"},
	{"time", "^" TIME "$"},
	{"date-time", "^" DATE "[Tt]" TIME "$"},
	{"duration", "^P(?:\\d+W|(?:\\d+Y(?:\\d+M(?:\\d+D)?)?|\\d+M(?:\\d+D)?|\\d+D)(?:T(?:\\d+H(?:\\d+M(?:\\d+S)?)?|"
		     "\\d+M(?:\\d+S)?"
		     "|\\d+S))?|T(?:\\d+H(?:\\d+M(?:\\d+S)?)?|\\d+M(?:\\d+S)?|\\d+S))$"},
	{"email", "^" ATEXT "+(?:\\." ATEXT "+)*@(?:" LABEL "(?:\\." LABEL ")*|\\[(?:" IPV4 "|IPv6:" IPV6 ")\\])$"},
	{"hostname", "^" LABEL "(?:\\." LABEL ")*$"},
	{"ipv4", "^" IPV4 "$"},
	{"ipv6", "^" IPV6 "$"},
	{"uri", "^" URI "$"},
	{"uri-reference", "^(?:" URI "|" RELATIVE ")$"},
	{"uuid", "^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$"},
	{"json-pointer", "^(?:/(?:[^/~]|~[01])*)*$"},
	{"regex", "^" RX_2 "$"},
	{"relative-json-pointer", "^(?:0|[1-9]\\d*)(?:#|(?:/(?:[^/~]|~[01])*)*)$"},
};

const char *format_pattern(const char *format)
{
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (strcmp(table[i].format, format) == 0)
			return table[i].pattern;
	return NULL;
}
