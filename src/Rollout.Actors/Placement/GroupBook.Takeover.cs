using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Placement;

// How a new scheduler goes on with the groups of the one before: decoders bring them, and clients ask for them.
public sealed partial class GroupBook
{
    /// <summary>No decoder is given anything.</summary>
    public bool IsPaused => Work.IsPaused;

    /// <summary>Gives nothing to anybody until <see cref="Resume"/>: decoders are still to say what they hold.</summary>
    public void Pause() => Work.IsPaused = true;

    /// <summary>Gives waiting samples to decoders from now on.</summary>
    public void Resume()
    {
        Work.IsPaused = false;
        Work.PlaceAll();
    }

    /// <summary>Adds a group that a decoder has brought, and calls for it where a client waits with it.</summary>
    internal RolloutGroup AddOrphan(GroupId id)
    {
        if (_line.Contains(id))
            _line.Call(id);
        return Groups.AddOrphan(id);
    }

    private void Adopt(RolloutGroup group, GroupRequest request, Policy? required, string? fingerprint)
    {
        if (!group.Attach(request, required, fingerprint))
        {
            Fail(request.Id, "decoders reported samples or tokens beyond those that the request asks for");
            return;
        }
        EndIfComplete(group);
        if (group.Outcome is not null)
            return;
        Groups.NoteGrowth(group);
        Groups.StartClock(group);
        Work.Enqueue(group);
    }
}
