using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.Win32.SafeHandles;
using Parquet;
using Parquet.Serialization;

namespace Rollout.Actors.Data;

/// <summary>
/// Copies a Parquet file, one row group after another. Lists and structs stay what they are, so that a list of
/// {role, content} structs is a prompt of messages.
/// </summary>
internal static class ParquetRecords
{
    /// <summary>A row group is read whole.</summary>
    private const long MaxRowGroupBytes = 1L << 30;

    // JSON has no NaN, which other tools write for a number that is missing.
    private static readonly JsonSerializerOptions Json =
        new() { NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals };

    // The library reads asynchronously only; data is read before a job has anything else to do.
    /// <exception cref="InvalidDataException">The file is no Parquet file, or a row or row group is too large.</exception>
    public static List<RecordFile.Place> Copy(string path, SafeFileHandle target, CancellationToken cancellation) =>
        CopyAsync(path, target, cancellation).GetAwaiter().GetResult();

    private static async Task<List<RecordFile.Place>> CopyAsync(
        string path, SafeFileHandle target, CancellationToken cancellation)
    {
        using var copy = new RecordCopy(path, target);
        await using var file = File.OpenRead(path);
        var sizes = await ReadAsync(path, () => RowGroupSizesAsync(file, cancellation));
        var row = 1L;
        for (var group = 0; group < sizes.Length; group++)
        {
            if (sizes[group] > MaxRowGroupBytes)
            {
                throw RecordFile.Invalid(
                    path, row, $"begins a row group of {sizes[group]} bytes, and at most {MaxRowGroupBytes} are read at once");
            }
            file.Position = 0;
            var read = await ReadAsync(path, () => ParquetSerializer.DeserializeUntypedAsync(file, null, group, cancellation));
            foreach (var record in read.Data)
                copy.Add(row++, json => JsonSerializer.Serialize(json, record, Json));
        }
        return copy.Places;
    }

    /// <summary>The size in bytes of each row group when it is unpacked.</summary>
    private static async Task<long[]> RowGroupSizesAsync(Stream file, CancellationToken cancellation)
    {
        await using var reader = await ParquetReader.CreateAsync(file, leaveStreamOpen: true, cancellationToken: cancellation);
        return [.. (reader.Metadata?.RowGroups ?? []).Select(group => group.TotalByteSize)];
    }

    /// <summary>Reads from the file; a damaged one makes the library throw many kinds of exceptions.</summary>
    private static async Task<T> ReadAsync<T>(string path, Func<Task<T>> read)
    {
        try
        {
            return await read();
        }
        catch (Exception wrong) when (wrong is not OperationCanceledException)
        {
            throw new InvalidDataException($"{path}: can't be read as Parquet: {wrong.Message.Split('\n')[0]}", wrong);
        }
    }
}
