namespace Rollout.Host.Invocation;

/// <summary>
/// Passes one line of a kind a minute, and says with the next one how many it left out. <see cref="HostLog"/> sends Akka's own
/// lines through it: any machine that reaches a port can make connections fail there.
/// </summary>
internal sealed class LineThrottle
{
    private const int MaxKinds = 1000;

    private static readonly TimeSpan Every = TimeSpan.FromMinutes(1);

    private readonly Dictionary<string, (DateTime SaidAt, int LeftOut)> _kinds = [];

    /// <summary>The line to write; null where one of its kind was written less than a minute ago.</summary>
    public string? Pass(string kind, DateTime now, string line)
    {
        if (!_kinds.TryGetValue(kind, out var known))
        {
            if (_kinds.Count == MaxKinds)
                _kinds.Clear();
            _kinds[kind] = (now, 0);
            return line;
        }
        // A clock that was set back must not silence a kind until it has caught up.
        if ((now - known.SaidAt).Duration() < Every)
        {
            _kinds[kind] = known with { LeftOut = known.LeftOut + 1 };
            return null;
        }
        _kinds[kind] = (now, 0);
        return known.LeftOut == 0 ? line : $"{line} (and {known.LeftOut} like it before)";
    }
}
