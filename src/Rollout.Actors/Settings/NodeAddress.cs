using System.Globalization;
using System.Net;

namespace Rollout.Actors.Settings;

/// <summary>The address where a member of the cluster listens.</summary>
/// <param name="Host">A name or an IP address, without brackets.</param>
/// <param name="Port">1 … 65535.</param>
public readonly record struct NodeAddress(string Host, int Port)
{
    /// <summary>True if only this machine reaches it.</summary>
    public bool IsLoopback => IsLoopbackHost(Host);

    /// <summary>Reads <c>host:port</c>; an IPv6 address stands in brackets.</summary>
    public static bool TryParse(string text, out NodeAddress address)
    {
        var colon = text.LastIndexOf(':');
        var host = colon < 0 ? "" : text[..colon];
        if (host is ['[', .., ']'])
            host = host[1..^1];
        else if (host.Contains(':'))
            host = "";
        address = default;
        if (!int.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port)
            || port is < 1 or > 65535
            || Uri.CheckHostName(host) == UriHostNameType.Unknown)
        {
            return false;
        }
        address = new NodeAddress(host, port);
        return true;
    }

    /// <summary>True for 127.0.0.0/8, ::1 and localhost.</summary>
    public static bool IsLoopbackHost(string host) =>
        host == "localhost" || (IPAddress.TryParse(host, out var address) && IPAddress.IsLoopback(address));

    public override string ToString() => Host.Contains(':') ? $"[{Host}]:{Port}" : $"{Host}:{Port}";
}
