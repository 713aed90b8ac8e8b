namespace Rollout.Host.View;

/// <summary>A measured held-out accuracy.</summary>
/// <param name="Step">The training step after which it was measured; 0 before training.</param>
/// <param name="Share">The share of held-out prompts that were answered right, 0 … 1.</param>
internal sealed record HeldOutAccuracy(int Step, double Share)
{
    /// <summary>When it was measured.</summary>
    public string At => Step == 0 ? "before training" : $"step {Step}";

    public override string ToString() => $"{Share:0.000} ({At})";
}
