namespace Rollout.Host.Setup;

/// <summary>What rollout doctor found out about one thing.</summary>
/// <param name="Name">The thing, such as "disk".</param>
/// <param name="Status"><see cref="Ok"/>, <see cref="Note"/> or <see cref="Fail"/>.</param>
/// <param name="Said">What was found, and for a failure what to do.</param>
internal sealed record Check(string Name, string Status, string Said)
{
    public const string Ok = "ok";

    /// <summary>It is missing, and what was asked for does not need it.</summary>
    public const string Note = "note";

    public const string Fail = "fail";
}
